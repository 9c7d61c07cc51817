import CPlatform

/// Enters this instruction set's integer kernels.
func fillIntegerKernels(_ table: UnsafeMutablePointer<ek_table>) {
}
