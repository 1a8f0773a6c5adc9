/* What startup.S gives to C. */
#ifndef HARNESS_BOARD_H
#define HARNESS_BOARD_H

#include <stdint.h>

/* A call that is measured: the stack below it is painted, the clock is read on both sides. startup.S knows the layout. */
struct call {
    void (*function)(void);
    const void *first;
    const void *second;
    uint32_t *lowest;            /* where painting starts */
    uint32_t paint;
    volatile uint32_t *clock;    /* counts down */
    uint32_t *top;               /* the stack pointer at the call */
    uint32_t ticks;
};

void harness_call(struct call *call);
void harness_nothing(void);             /* 1 instruction */
void harness_spin(const void *loops);   /* 2 * loops + 1 instructions */

int32_t semihosting(int32_t operation, const void *argument);

void harness_reset(void);
void harness_trap(void);
void harness_fault(const uint32_t *frame) __attribute__((noreturn));
int main(void);

struct vectors {
    void *stack;
    void (*handlers[15])(void);
};

extern const struct vectors harness_vectors;

/* The linker script puts it at the start of RAM, so that what overflows it faults. */
#define HARNESS_STACK __attribute__((section(".bss.harness_stack")))

/* The vector table: the stack's end, reset, and one trap for every fault. */
#define HARNESS_VECTORS(end)                                                                                     \
    __attribute__((section(".vectors"), used)) const struct vectors harness_vectors = {                          \
        (end),                                                                                                   \
        {harness_reset, harness_trap, harness_trap, harness_trap, harness_trap, harness_trap, harness_trap,      \
         harness_trap, harness_trap, harness_trap, harness_trap, harness_trap, harness_trap, harness_trap,       \
         harness_trap}}

#endif
