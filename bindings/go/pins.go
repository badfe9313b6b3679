//go:build !go1.22

package arms

/*
#include <stdlib.h>
*/
import "C"

import "unsafe"

// pins copies memory to C's, because Go before 1.21 cannot pin it, and 1.21 panics at memory that is not its own, of a
// mapped file say.
type pins struct{ copies []unsafe.Pointer }

// bytes returns the address of a copy of size bytes at first, for as long as the pins are held.
func (p *pins) bytes(first unsafe.Pointer, size int) unsafe.Pointer {
	copied := C.CBytes(unsafe.Slice((*byte)(first), size))
	p.copies = append(p.copies, copied)
	return copied
}

// release frees the copies.
func (p *pins) release() {
	for _, copied := range p.copies {
		C.free(copied)
	}
	p.copies = nil
}
