// Command coredns is CoreDNS with the plugins that a cluster without a road out has a use for, and no cloud's client.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// The order is that of the chain a query goes through.
	dnsserver.Directives = []string{
		"health", "ready", "errors", "cache", "loadbalance", "template", "kubernetes",
	}
	coremain.Run()
}
