//go:build go1.22

package arms

import (
	"runtime"
	"unsafe"
)

// pins lets C read memory in place during a call, whether it is Go's or not.
type pins struct{ pinner runtime.Pinner }

// bytes returns the address of size bytes at first, for as long as the pins are held.
func (p *pins) bytes(first unsafe.Pointer, size int) unsafe.Pointer {
	p.pinner.Pin(first)
	return first
}

// release lets go of what is held.
func (p *pins) release() { p.pinner.Unpin() }
