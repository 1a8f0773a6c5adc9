/* Every row through every function, each array in a heap block of its exact size, so that a sanitizer sees one byte
 * too many. Rows come from standard input. The codes stand at an odd address: the interface promises no alignment. */
#include <stdio.h>
#include <stdlib.h>

#include "record.h"

enum { GOOD = 0, NO_MEMORY = 70, WRONG = 71 };

struct blocks {
    int8_t *codes;
    float *x;
    int32_t *scores;
    int8_t *logits;
    uint16_t *probabilities;
};

static void *block(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        exit(NO_MEMORY);
    }
    return memory;
}

static int check(const struct blocks *at)
{
    int8_t *codes = at->codes + 1;
    int wrong = MODEL(self_test)();

    if (wrong != 0) {
        fprintf(stderr, "self-test: golden vector %d differs\n", wrong);
        return WRONG;
    }
    for (unsigned long row = 0; fread(at->x, sizeof(float), MODEL_INPUTS, stdin) == MODEL_INPUTS; ++row) {
        MODEL(quantise)(at->x, codes);
        int label = MODEL(scores_q)(codes, at->scores);
        MODEL(logits)(at->scores, at->logits);
        MODEL(probabilities)(at->logits, at->probabilities);
        if (MODEL(predict)(at->x) != label || MODEL(predict_q)(codes) != label) {
            fprintf(stderr, "row %lu: predict, predict_q and scores_q name different classes\n", row);
            return WRONG;
        }
    }
    return GOOD;
}

int main(void)
{
    struct blocks at = {
        block(MODEL_INPUTS + 1),
        block(MODEL_INPUTS * sizeof(float)),
        block(MODEL_CLASSES * sizeof(int32_t)),
        block(MODEL_CLASSES),
        block(MODEL_CLASSES * sizeof(uint16_t)),
    };
    int status = check(&at);

    /* Also after a difference, which a report of leaks would otherwise hide. */
    free(at.codes);
    free(at.x);
    free(at.scores);
    free(at.logits);
    free(at.probabilities);
    return status;
}
