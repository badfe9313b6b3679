package arms

/*
#include <arms.h>
*/
import "C"

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"unsafe"
)

// Image is an image as the caller has it; the constructors say in which ways. It refers to the
// caller's bytes, which must not change during a call that reads them.
type Image struct {
	format        uint32
	exact         bool
	path          string
	bytes         []byte
	floats        []float32
	width, height int
	stride        int
	refusal       *Error // what every call that is given the image fails with, if anything
}

// FromBytes takes the bytes of a JPEG or PNG file.
func FromBytes(file []byte) Image { return Image{format: C.ARMS_IMAGE_ENCODED, bytes: file} }

// FromPath takes the path of a JPEG or PNG file, which each call that is given the image reads.
func FromPath(path string) Image { return Image{format: C.ARMS_IMAGE_PATH, path: path} }

// RGB8 takes rows of stride bytes with 3 bytes a pixel. A stride of 0 means that rows follow one
// another.
func RGB8(pixels []byte, width, height, stride int) Image {
	return raw(C.ARMS_IMAGE_RGB8, pixels, width, height, stride)
}

// RGBA8 takes rows of stride bytes with 4 bytes a pixel. Alpha is dropped, so colours must not be
// multiplied by it. A stride of 0 means that rows follow one another.
func RGBA8(pixels []byte, width, height, stride int) Image {
	return raw(C.ARMS_IMAGE_RGBA8, pixels, width, height, stride)
}

// Gray8 takes rows of stride bytes with 1 byte a pixel. A stride of 0 means that rows follow one
// another.
func Gray8(pixels []byte, width, height, stride int) Image {
	return raw(C.ARMS_IMAGE_GRAY8, pixels, width, height, stride)
}

// Prepared takes normalised floats [3, ImageSize, ImageSize], as [Router.Prepare] makes them.
func Prepared(pixels []float32) Image {
	return Image{format: C.ARMS_IMAGE_PREPARED, floats: pixels}
}

// The most pixels that FromImage converts, ten times the default of WithImageLimits: 4 GiB.
const maxConverted = 1 << 30

// FromImage takes an image of the standard library. The pixels of *image.NRGBA, *image.Gray and an
// opaque *image.RGBA are read in place, those of others converted here. Alpha is dropped; samples of
// 16 bits keep their high byte. A call that is given an image of more than 2^30 pixels that had to be
// converted, [image.Black] say, fails with [ErrLimitExceeded].
func FromImage(source image.Image) Image {
	if source == nil {
		return Image{}
	}
	bounds := source.Bounds()
	width, height := bounds.Dx(), bounds.Dy()
	switch source := source.(type) {
	case *image.NRGBA:
		return RGBA8(source.Pix, width, height, source.Stride)
	case *image.Gray:
		return Gray8(source.Pix, width, height, source.Stride)
	case *image.RGBA:
		if source.Opaque() {
			return RGBA8(source.Pix, width, height, source.Stride)
		}
	}
	switch {
	case width < 1 || height < 1:
		return RGB8(nil, width, height, 0)
	case width > maxConverted/height:
		return Image{refusal: &Error{StatusLimitExceeded, fmt.Sprintf(
			"an image of %d x %d pixels is too large to convert; give one of at most %d pixels",
			width, height, maxConverted)}}
	}
	if opaque, ok := source.(interface{ Opaque() bool }); ok && opaque.Opaque() {
		// Without alpha, RGBA and NRGBA are the same, and draw is fast for the usual types.
		drawn := image.NewRGBA(image.Rect(0, 0, width, height))
		draw.Draw(drawn, drawn.Bounds(), source, bounds.Min, draw.Src)
		return RGBA8(drawn.Pix, width, height, drawn.Stride)
	}
	return straightened(source)
}

// Exact returns the image with the demand that a JPEG be decoded at full size. Otherwise a large one
// is decoded at a reduced scale that keeps at least twice the target size of the luminance, which is several
// times faster.
func (i Image) Exact() Image {
	i.exact = true
	return i
}

func raw(format uint32, pixels []byte, width, height, stride int) Image {
	return Image{format: format, bytes: pixels, width: width, height: height, stride: stride}
}

// straightened converts pixel by pixel, to colours that are not multiplied by alpha.
func straightened(source image.Image) Image {
	bounds := source.Bounds()
	pixels := make([]byte, 0, 3*bounds.Dx()*bounds.Dy())
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			switch c := source.At(x, y).(type) {
			case color.NRGBA64:
				pixels = append(pixels, byte(c.R>>8), byte(c.G>>8), byte(c.B>>8))
			default:
				straight := color.NRGBAModel.Convert(c).(color.NRGBA)
				pixels = append(pixels, straight.R, straight.G, straight.B)
			}
		}
	}
	return RGB8(pixels, bounds.Dx(), bounds.Dy(), 0)
}

// images returns an array of image inputs, or NULL when there are none.
func (a *arguments) images(images []Image) *C.arms_image_input {
	if len(images) == 0 {
		return nil
	}
	return structs(a, images, a.image)
}

func (a *arguments) image(slot *C.arms_image_input, image *Image) {
	if image.refusal != nil {
		a.refuse(image.refusal.Status, image.refusal.Message)
	}
	slot.struct_size = C.sizeof_arms_image_input
	slot.format = C.uint32_t(image.format)
	if image.exact {
		slot.flags |= C.ARMS_IMAGE_EXACT
	}
	slot.width = a.uint32("an image's width", image.width)
	slot.height = a.uint32("an image's height", image.height)
	if image.stride < 0 {
		a.fail("an image's stride is negative")
	}
	slot.stride = C.size_t(image.stride)
	switch {
	case image.format == C.ARMS_IMAGE_PATH:
		slot.data = unsafe.Pointer(a.text(image.path))
		slot.size = C.size_t(len(image.path))
	case len(image.bytes) > 0:
		slot.data = a.pins.bytes(unsafe.Pointer(&image.bytes[0]), len(image.bytes))
		slot.size = C.size_t(len(image.bytes))
	case len(image.floats) > 0:
		slot.size = C.size_t(len(image.floats)) * C.sizeof_float
		slot.data = a.pins.bytes(unsafe.Pointer(&image.floats[0]), int(slot.size))
	default:
		// An empty upload is an image that cannot be decoded; NULL would be a mistake of the caller's.
		slot.data = a.zeroed(0, 1)
	}
}
