// What kernels are verified with serves tests of everything else too.
@_exported public import BitsVerify
