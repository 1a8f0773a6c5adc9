/* Asks the board whether the model is right, then classifies the golden windows as if the sensor had just filled them. */
#include "board.h"
#include "watch.h"
#include "watch_golden.h"

#define SURE 32768u /* probability one half, in units of 1/65535 */

static void report(const float window[WATCH_NUM_INPUTS])
{
    int8_t codes[WATCH_NUM_INPUTS];
    int32_t scores[WATCH_NUM_CLASSES];
    int8_t logits[WATCH_NUM_CLASSES];
    uint16_t probabilities[WATCH_NUM_CLASSES];
    int out_of_range, label;

    out_of_range = watch_quantise(window, codes);
    label = watch_scores_q(codes, scores);
    watch_logits(scores, logits);
    watch_probabilities(logits, probabilities);

    board_print(watch_class_names[label]);
    board_print(" ");
    board_print_number((int)((uint32_t)probabilities[label] * 100u / 65535u));
    board_print("%");
    if (probabilities[label] < SURE) {
        board_print(", not sure");
    }
    if (out_of_range > 0) {
        board_print(", inputs out of range: ");
        board_print_number(out_of_range);
    }
    board_print("\n");
}

int main(void)
{
    int window, failed;

    board_open();
    board_print("model " WATCH_MODEL_ID "\nself test: ");
    failed = watch_self_test();
    if (failed != 0) {
        board_print("golden vector ");
        board_print_number(failed);
        board_print(" differs\n");
        board_exit(1);
    }
    board_print("passed\n");
    for (window = 0; window < WATCH_NUM_GOLDEN; window++) {
        report(watch_golden_inputs[window].x);
    }
    board_exit(0);
    return 0;
}
