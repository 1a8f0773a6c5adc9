/* What a runtime writes for each row. Members stand in falling order of alignment, so that C and NumPy agree on the
 * layout; the code arrays end up at odd addresses, which the model must accept. */
#ifndef HARNESS_RECORD_H
#define HARNESS_RECORD_H

#include <stdint.h>

#include "model.h"

struct record {
    int32_t saturated;
    int32_t labels;            /* returned by scores_q */
    int32_t predict_labels;    /* by predict */
    int32_t predict_q_labels;  /* by predict_q */
    int32_t scores[MODEL_CLASSES];
    uint16_t probabilities[MODEL_CLASSES];
    int8_t logits[MODEL_CLASSES];
    int8_t codes[MODEL_INPUTS];
};

static inline void record_row(const float *x, struct record *row)
{
    row->saturated = MODEL(quantise)(x, row->codes);
    row->labels = MODEL(scores_q)(row->codes, row->scores);
    MODEL(logits)(row->scores, row->logits);
    MODEL(probabilities)(row->logits, row->probabilities);
    row->predict_labels = MODEL(predict)(x);
    row->predict_q_labels = MODEL(predict_q)(row->codes);
}

#endif
