"""Import of QONNX models, one idea a file.

Each ONNX edge holds a value (values.py): a constant, or an expression in integer tensors that already exist. Operators
only rewrite expressions; the next Quant node turns an expression into a node of the integer graph (materialize.py).
So any order of Add, Mul, BatchNormalization, Relu between two Quant nodes is understood without a list of patterns.
"""
