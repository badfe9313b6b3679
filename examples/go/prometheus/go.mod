// Run `go mod tidy` once: it fetches the client library and writes go.sum.
module arms.dev/examples/prometheus

go 1.21

require (
	arms.dev/arms v0.0.0
	github.com/prometheus/client_golang v1.14.0
)

replace arms.dev/arms => ../../../bindings/go
