// Command prometheus serves a router's metrics to Prometheus, with its official client library.
//
//	go run . MODEL [ADDRESS]
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"arms.dev/arms"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector reads a router's metrics whenever Prometheus asks.
type collector struct{ router *arms.Router }

func counter(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("arms_"+name, help, labels, nil)
}

var (
	routes    = counter("routes_total", "Decisions made.")
	scored    = counter("scored_queries_total", "Queries scored.")
	abstained = counter("abstentions_total", "Decisions for nobody.")
	second    = counter("second_router_total", "Decisions with the second router.")
	truncated = counter("truncated_questions_total", "Questions truncated.")
	questions = counter("reused_questions_total", "Questions that came encoded.")
	images    = counter("reused_images_total", "Images that came encoded.")
	reloads   = counter("reloads_total", "Times that the weights were replaced.")
	failures  = counter("errors_total", "Calls that failed.", "kind")
	chosen    = counter("chosen_total", "Times chosen.", "candidate")
	stages    = counter("stage_seconds", "Time of each stage.", "stage")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, descriptions)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	metrics, err := c.router.Metrics()
	if err != nil {
		out <- prometheus.NewInvalidMetric(routes, err)
		return
	}
	count := func(description *prometheus.Desc, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(description, prometheus.CounterValue, float64(value), labels...)
	}
	count(routes, metrics.Routes)
	count(scored, metrics.ScoredQueries)
	count(abstained, metrics.Abstentions)
	count(second, metrics.SecondRouter)
	count(truncated, metrics.TruncatedQuestions)
	count(questions, metrics.ReusedQuestions)
	count(images, metrics.ReusedImages)
	count(reloads, metrics.Reloads)
	for status, number := range metrics.Errors {
		count(failures, number, strings.ToLower(strings.TrimPrefix(status.String(), "ARMS_ERROR_")))
	}
	candidates, err := c.router.List()
	if err != nil {
		out <- prometheus.NewInvalidMetric(chosen, err)
		return
	}
	for _, candidate := range candidates {
		count(chosen, candidate.Chosen, candidate.Name)
	}
	for stage, histogram := range metrics.Stages {
		// Prometheus counts the times not above each bound, and the infinite one itself.
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, number := range histogram.Buckets[:len(histogram.Buckets)-1] {
			sum += number
			buckets[arms.Bound(i)] = sum
		}
		out <- prometheus.MustNewConstHistogram(
			stages, histogram.Count, histogram.Sum.Seconds(), buckets, stage.String())
	}
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: prometheus MODEL [ADDRESS]")
		os.Exit(2)
	}
	address := "localhost:9300"
	if len(os.Args) == 3 {
		address = os.Args[2]
	}
	if err := serve(os.Args[1], address); err != nil {
		fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
}

func serve(model, address string) error {
	router, err := arms.Open(model)
	if err != nil {
		return err
	}
	defer router.Close()
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector{router}); err != nil {
		return err
	}
	go func() {
		// In place of a gateway's requests.
		for range time.Tick(time.Second) {
			query := arms.Query{Question: "Which year had the highest sales?"}
			if _, err := router.Route(context.Background(), query); err != nil {
				fmt.Fprintln(os.Stderr, "prometheus:", err)
			}
		}
	}()
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	fmt.Printf("http://%s/metrics\n", address)
	return http.ListenAndServe(address, nil)
}
