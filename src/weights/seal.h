/* safetensors files with checksums in their metadata: CRC-32C of each tensor and of the header, so
 * that a file damaged on the disk is told from a good one. Other programs read them as any other
 * safetensors file. */
#ifndef WEIGHTS_SEAL_H
#define WEIGHTS_SEAL_H

#include "weights/safetensors.h"

/* Writes tensors and notes with the checksums added; atomic and synced. */
MUST_CHECK bool seal_write(const char *path, const struct st_tensor *tensor, int n_tensor,
                           const struct st_note *note, int n_note, struct err *e);
/* Whether s claims to have been written so. */
bool seal_present(const struct safetensors *s);
/* ERR_MODEL when the header or a tensor is not what was written, or there are no checksums. */
MUST_CHECK bool seal_check(const struct safetensors *s, const char *path, struct err *e);

#endif
