package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Settings is the configuration of a node's lantern.
type Settings struct {
	Site   string `json:"site"`
	Listen string `json:"listen"`
}

// Report is how a node is.
type Report struct {
	Site          string  `json:"site"`
	Node          string  `json:"node"`
	Platform      string  `json:"platform"`
	Version       string  `json:"version"`
	UptimeSeconds float64 `json:"uptimeSeconds"`
	Load          float64 `json:"load"`
}

func readSettings(path string) (Settings, error) {
	var settings Settings
	file, err := os.Open(path)
	if err != nil {
		return settings, err
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&settings); err != nil {
		return settings, fmt.Errorf("%s: %w", path, err)
	}
	if settings.Site == "" || settings.Listen == "" {
		return settings, fmt.Errorf("%s: expected site and listen", path)
	}
	return settings, nil
}

func reporter(settings Settings) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("/report", func(writer http.ResponseWriter, _ *http.Request) {
		report, err := observe(settings.Site)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(writer, report)
	})
	return routes
}

func observe(site string) (Report, error) {
	report := Report{Site: site, Platform: runtime.GOOS + "/" + runtime.GOARCH, Version: version}
	var err error
	if report.Node, err = os.Hostname(); err != nil {
		return report, err
	}
	if report.UptimeSeconds, err = firstNumber("/proc/uptime"); err != nil {
		return report, err
	}
	report.Load, err = firstNumber("/proc/loadavg")
	return report, err
}

// firstNumber reads the number that a file of the kernel begins with.
func firstNumber(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	word, _, _ := strings.Cut(string(text), " ")
	return strconv.ParseFloat(word, 64)
}
