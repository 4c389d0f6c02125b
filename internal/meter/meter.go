// Package meter counts what the platform does, for operators and their
// dashboards. The shop is a label only where few can be told apart: a million
// shops would be a million series. It also keeps the register of incidents: what is wrong, since when, and
// what to do.
package meter

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Meter holds the process's metrics.
type Meter struct {
	registry   *prometheus.Registry
	operations *prometheus.HistogramVec
	requests   *prometheus.HistogramVec
}

// New makes a meter that also reports on the Go runtime and the process.
func New() *Meter {
	m := &Meter{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "haat_operation_seconds", Help: "Time that an operation took, by its outcome: ok, refused, busy, failed or gone.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"operation", "outcome"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "haat_request_seconds", Help: "Time that a request took, by the surface that answered it and the class of its status.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"surface", "class"}),
	}
	m.registry.MustRegister(m.operations, m.requests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Operation counts one run of an operation.
func (m *Meter) Operation(name, outcome string, took time.Duration) {
	m.operations.WithLabelValues(name, outcome).Observe(took.Seconds())
}

// Request counts one HTTP request.
func (m *Meter) Request(surface string, status int, took time.Duration) {
	m.requests.WithLabelValues(surface, string([]byte{byte('0' + status/100), 'x', 'x'})).Observe(took.Seconds())
}

// Surface gives a way to count the requests that a surface answers with 200 or
// 304, for one that answers so many that looking its labels up would show.
func (m *Meter) Surface(surface string) func(status int, took time.Duration) {
	ok, unchanged := m.requests.WithLabelValues(surface, "2xx"), m.requests.WithLabelValues(surface, "3xx")
	return func(status int, took time.Duration) {
		if status == http.StatusNotModified {
			unchanged.Observe(took.Seconds())
			return
		}
		ok.Observe(took.Seconds())
	}
}

// Gauge reports a number that is read when asked for.
func (m *Meter) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter reports a number that only rises, read when asked for.
func (m *Meter) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Histogram gives a way to count numbers by how large they are, up to each bound.
func (m *Meter) Histogram(name, help string, bounds []float64) (observe func(float64)) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds})
	m.registry.MustRegister(h)
	return h.Observe
}

// Gauges reports numbers that are told apart by labels, read when asked for:
// read puts each with the labels' values.
func (m *Meter) Gauges(name, help string, labels []string, read func(put func(v float64, values ...string))) {
	m.registry.MustRegister(many{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read})
}

// Counters is as Gauges, for numbers that only rise.
func (m *Meter) Counters(name, help string, labels []string, read func(put func(v float64, values ...string))) {
	m.registry.MustRegister(many{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read})
}

type many struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(put func(v float64, values ...string))
}

// Describe implements prometheus.Collector.
func (c many) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c many) Collect(ch chan<- prometheus.Metric) {
	c.read(func(v float64, values ...string) { ch <- prometheus.MustNewConstMetric(c.desc, c.kind, v, values...) })
}

// Handler serves the metrics in the Prometheus text format.
func (m *Meter) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
