package arms

/*
#cgo pkg-config: arms
#include <arms.h>
*/
import "C"

import "fmt"

// NameCapacity is one more than the most bytes a candidate's name may have.
const NameCapacity = C.ARMS_NAME_CAPACITY

// Version returns the release of the loaded library, "0.1.0" say.
func Version() string { return C.GoString(C.arms_version()) }

// ABIVersion returns the ABI version of the loaded library.
func ABIVersion() int { return int(C.arms_abi_version()) }

// KernelISA returns the instruction set that the kernels use on this CPU: "amx", "avx512bf16",
// "avx512vnni", "avxvnni", "avx2", "neon" or "scalar".
func KernelISA() string { return C.GoString(C.arms_kernel_isa()) }

// checkABI returns an error when the loaded library is older than the header of this build.
func checkABI() error {
	if have := ABIVersion(); have < C.ARMS_ABI_VERSION {
		return &Error{StatusUnsupported, fmt.Sprintf(
			"the loaded libarms has ABI version %d, this program needs %d: install a newer libarms",
			have, C.ARMS_ABI_VERSION)}
	}
	return nil
}
