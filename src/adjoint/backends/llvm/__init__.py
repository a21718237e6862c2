"""The LLVM back end: graphs as machine code, made with llvmlite."""
