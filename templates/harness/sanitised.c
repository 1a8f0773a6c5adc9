/* Every row through every function, each array in a heap block of its exact size, so that a sanitizer sees one byte
 * too many. Rows come from standard input. The codes stand at an odd address: the interface promises no alignment. */
#include <stdio.h>
#include <stdlib.h>

#include "record.h"

static void *block(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        exit(70);
    }
    return memory;
}

int main(void)
{
    int8_t *codes_block = block(MODEL_INPUTS + 1);
    int8_t *codes = codes_block + 1;
    float *x = block(MODEL_INPUTS * sizeof(float));
    int32_t *scores = block(MODEL_CLASSES * sizeof(int32_t));
    int8_t *logits = block(MODEL_CLASSES);
    uint16_t *probabilities = block(MODEL_CLASSES * sizeof(uint16_t));
    int wrong = MODEL(self_test)();

    if (wrong != 0) {
        fprintf(stderr, "self-test: golden vector %d differs\n", wrong);
        return 71;
    }
    while (fread(x, sizeof(float), MODEL_INPUTS, stdin) == MODEL_INPUTS) {
        MODEL(quantise)(x, codes);
        int label = MODEL(scores_q)(codes, scores);
        MODEL(logits)(scores, logits);
        MODEL(probabilities)(logits, probabilities);
        if (MODEL(predict)(x) != label || MODEL(predict_q)(codes) != label) {
            fprintf(stderr, "predict, predict_q and scores_q name different classes\n");
            return 72;
        }
    }
    free(codes_block);
    free(x);
    free(scores);
    free(logits);
    free(probabilities);
    return 0;
}
