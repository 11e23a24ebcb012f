"""What a model may be made of."""

# pure functions of tensors, whose result depends on nothing but their inputs
OPERATORS = {
    "": """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift
        BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant
        ConstantOfShape Conv Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout
        DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements
        GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization
        HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization
        LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul MatMulInteger Max MaxPool Mean
        MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearMatMul
        QuantizeLinear RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
        ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape ReverseSequence
        Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus
        Softsign Split Sqrt Squeeze StringNormalizer Sub Sum Swish Tan Tanh TfIdfVectorizer ThresholdedRelu
        Tile TopK Transpose Trilu Unique Unsqueeze Where Xor""",
    "ai.onnx.ml": """ArrayFeatureExtractor Binarizer DictVectorizer FeatureVectorizer Imputer LabelEncoder
        LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler
        TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor""",
    "com.microsoft": "CDist MurmurHash3 Solve Tokenizer",
}
KNOWN = {(domain, name) for domain, names in OPERATORS.items() for name in names.split()}
CONTROL = {"If", "Loop", "Scan", "SequenceMap"}
# inputs (a bit for each) that say how large the result is: they may come from constants and shapes, never from the data
SIZING = {"ConstantOfShape": 1, "Expand": 2, "Tile": 2, "OneHot": 2, "Pad": 2, "Range": 7}
# operators whose result has as many elements as the data say: in any case, or where its sizes are data
CHOOSING = {"NonZero", "Compress", "Unique"}
CUTTING = {"Slice", "Reshape", "TopK", "Split", "Squeeze", "Unsqueeze"}
# A text has as many words as it has. Until they are counted, only these may have them: none of them makes more
# of them than there are, as an operator that pairs each with each would.
OF_WORDS = set(
    """Tokenizer StringNormalizer Flatten Reshape Squeeze Unsqueeze Identity Concat Cast Transpose RegexFullMatch
    LabelEncoder TfIdfVectorizer""".split()
)
