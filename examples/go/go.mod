module arms.dev/examples/route

go 1.19

require arms.dev/arms v0.0.0

replace arms.dev/arms => ../../bindings/go
