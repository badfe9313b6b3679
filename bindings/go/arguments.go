package arms

/*
#include <stdlib.h>
#include <arms.h>
*/
import "C"

import (
	"math"
	"strings"
	"unsafe"
)

// arguments holds what one call passes by pointer. A pointer that C finds in memory must not lead to
// Go memory unless that is pinned, so structs, strings and names are built in C's memory, while the
// bytes of images stay where they are as long as pins can hold them.
type arguments struct {
	blocks []unsafe.Pointer
	pins   pins
	err    error
}

// release frees everything; call it when the call into the library is over.
func (a *arguments) release() {
	for _, block := range a.blocks {
		C.free(block)
	}
	a.pins.release()
}

// fail notes the first thing that Go can express and C cannot.
func (a *arguments) fail(message string) { a.refuse(StatusInvalidArgument, message) }

// refuse is fail with another status.
func (a *arguments) refuse(status Status, message string) {
	if a.err == nil {
		a.err = &Error{status, message}
	}
}

// made refuses a value that is given where it may be left out, and has no handle because this package did not
// make it: C takes NULL for what is left out.
func (a *arguments) made(what string, isMade bool) {
	if !isMade {
		a.refuse(StatusInvalidHandle, what+" was not made by this package; give one that was, or nil")
	}
}

// zeroed returns count elements of zeros in C's memory, at least one.
func (a *arguments) zeroed(count int, size uintptr) unsafe.Pointer {
	if count < 1 {
		count = 1
	}
	block := C.calloc(C.size_t(count), C.size_t(size))
	if block == nil {
		panic("arms: out of memory") // as Go's own allocator does
	}
	a.blocks = append(a.blocks, block)
	return block
}

// text returns a copy of a text that may hold any byte; its length is passed beside it.
func (a *arguments) text(text string) *C.char {
	copied := a.zeroed(len(text)+1, 1)
	copy(unsafe.Slice((*byte)(copied), len(text)), text)
	return (*C.char)(copied)
}

// name returns a copy of a text that C reads up to its NUL.
func (a *arguments) name(what, text string) *C.char {
	if strings.IndexByte(text, 0) >= 0 {
		a.fail(what + " contains a NUL byte; leave it out")
	}
	return a.text(text)
}

// optional is name, or NULL for an empty text.
func (a *arguments) optional(what, text string) *C.char {
	if text == "" {
		return nil
	}
	return a.name(what, text)
}

// names returns an array of names, which is never NULL.
func (a *arguments) names(names []string) **C.char {
	return structs(a, names, func(slot **C.char, name *string) {
		*slot = a.name("a candidate's name", *name)
	})
}

// structs returns an array in C's memory with an element for each item, as fill makes it of zeros. It
// is never NULL.
func structs[S, T any](a *arguments, items []T, fill func(slot *S, item *T)) *S {
	var zero S
	array := (*S)(a.zeroed(len(items), unsafe.Sizeof(zero)))
	for i, slots := 0, unsafe.Slice(array, len(items)); i < len(items); i++ {
		fill(&slots[i], &items[i])
	}
	return array
}

// numbers returns a copy of numbers in C's memory, or NULL when there are none.
func numbers[T int32 | float32](a *arguments, values []T) *T {
	if len(values) == 0 {
		return nil
	}
	return structs(a, values, func(slot, value *T) { *slot = *value })
}

// uint32 converts a number of the caller's.
func (a *arguments) uint32(what string, value int) C.uint32_t {
	if value < 0 || uint64(value) > math.MaxUint32 {
		a.fail(what + " is negative or larger than 32 bits hold")
	}
	return C.uint32_t(value)
}
