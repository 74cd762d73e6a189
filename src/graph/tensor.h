/* What the elements of a tensor are, and how a plan runs. */
#ifndef GRAPH_TENSOR_H
#define GRAPH_TENSOR_H

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_U8 };
enum mode { MODE_EVAL, MODE_TRAIN };
enum pass { PASS_FORWARD, PASS_BACKWARD };

#endif
