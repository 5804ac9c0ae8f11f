// Lantern tells how a node is, and gathers what the lanterns of a site tell.
//
//	lantern serve --config FILE      on a node: GET /report
//	lantern gather                   in the cluster: GET /reports, of all that LANTERNS names
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const version = "1.0.0"

func main() {
	log.SetFlags(0) // the journal and the container's log have the time already
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("lantern: ", err)
	}
}

func run(arguments []string) error {
	usage := errors.New("expected serve --config FILE, gather or version")
	if len(arguments) == 0 {
		return usage
	}
	switch arguments[0] {
	case "serve":
		if len(arguments) != 3 || arguments[1] != "--config" {
			return usage
		}
		settings, err := readSettings(arguments[2])
		if err != nil {
			return err
		}
		return listen(settings.Listen, reporter(settings))
	case "gather":
		return listen(":8080", gatherer(os.Getenv("LANTERNS")))
	case "version":
		fmt.Println(version)
		return nil
	}
	return usage
}

// listen serves until the process is told to end, and lets what is under way come to its end.
func listen(address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	log.Printf("lantern %s listens at %s", version, address)
	select {
	case err := <-ended:
		return err
	case <-stopped.Done():
		patience, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		return server.Shutdown(patience)
	}
}

func answer(writer http.ResponseWriter, value any) {
	writer.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(writer).Encode(value); err != nil {
		log.Printf("an answer broke off: %v", err)
	}
}
