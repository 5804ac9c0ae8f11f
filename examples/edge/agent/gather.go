package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Gathered is what one lantern said, or why it said nothing.
type Gathered struct {
	Address string  `json:"address"`
	Report  *Report `json:"report,omitempty"`
	Trouble string  `json:"trouble,omitempty"`
}

// gatherer asks every lantern anew for each request; addresses are URLs with commas between them.
func gatherer(addresses string) http.Handler {
	lanterns := strings.FieldsFunc(addresses, func(r rune) bool { return r == ',' || r == ' ' })
	client := &http.Client{Timeout: 3 * time.Second}
	routes := http.NewServeMux()
	routes.HandleFunc("/healthz", func(writer http.ResponseWriter, _ *http.Request) {
		answer(writer, map[string]int{"lanterns": len(lanterns)})
	})
	routes.HandleFunc("/reports", func(writer http.ResponseWriter, _ *http.Request) {
		found := make([]Gathered, len(lanterns))
		var all sync.WaitGroup
		for place, address := range lanterns {
			all.Add(1)
			go func(place int, address string) {
				defer all.Done()
				found[place] = gather(client, address)
			}(place, address)
		}
		all.Wait()
		answer(writer, map[string]any{"reports": found})
	})
	return routes
}

func gather(client *http.Client, address string) Gathered {
	found := Gathered{Address: address}
	said, err := client.Get(address + "/report")
	if err != nil {
		found.Trouble = err.Error()
		return found
	}
	defer said.Body.Close()
	if said.StatusCode != http.StatusOK {
		found.Trouble = fmt.Sprintf("it answered %s", said.Status)
		return found
	}
	found.Report = new(Report)
	if err := json.NewDecoder(said.Body).Decode(found.Report); err != nil {
		found.Report, found.Trouble = nil, err.Error()
	}
	return found
}
