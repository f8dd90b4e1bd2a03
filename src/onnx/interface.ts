/** Name of an exported graph's input: uint8 [batch, size, size, 3], RGB. */
export const INPUT_NAME = 'image';

/** Name of an exported graph's output: float32 [batch, dim], rows of unit length. */
export const OUTPUT_NAME = 'embedding';

/** Key of the model card in an ONNX file's metadata: JSON of a `ModelCard`. */
export const CARD_KEY = 'nearmiss.card';
