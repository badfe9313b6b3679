module arms.dev/arms

go 1.19
