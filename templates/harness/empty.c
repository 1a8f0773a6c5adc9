/* The image that flash is measured against: startup and nothing else. */
#include "board.h"

HARNESS_STACK static uint64_t stack[8];

HARNESS_VECTORS(stack + 8);

int main(void)
{
    return 0;
}
