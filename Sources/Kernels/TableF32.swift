import CPlatform

/// Enters this instruction set's float kernels.
func fillFloatKernels(_ table: UnsafeMutablePointer<ek_table>) {
}
