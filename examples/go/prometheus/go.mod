// Run `go mod tidy` once: it fetches the client library and writes go.sum. examples/prometheus.sh builds it either
// way, with the Go libraries of Debian if they are there.
module arms.dev/examples/prometheus

go 1.21

require (
	arms.dev/arms v0.0.0
	github.com/prometheus/client_golang v1.14.0
)

replace arms.dev/arms => ../../../bindings/go
