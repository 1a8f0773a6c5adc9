/* The model as a shared library: one call runs many rows. */
#include <stddef.h>

#include "record.h"

int harness_self_test(void);
void harness_shape(int32_t shape[4]);
void harness_run(const float *x, size_t rows, struct record *records);

int harness_self_test(void)
{
    return MODEL(self_test)();
}

void harness_shape(int32_t shape[4])
{
    shape[0] = MODEL_INPUTS;
    shape[1] = MODEL_CLASSES;
    shape[2] = MODEL_SCRATCH;
    shape[3] = (int32_t)sizeof(struct record);
}

void harness_run(const float *x, size_t rows, struct record *records)
{
    for (size_t row = 0; row < rows; ++row) {
        record_row(x + row * MODEL_INPUTS, &records[row]);
    }
}
