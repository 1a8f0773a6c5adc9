/* Reset, faults, semihosting and measured calls for every Cortex-M. Only Thumb-1 instructions, so that one text serves all. */
    .syntax unified
    .thumb

    .section .text.harness_reset, "ax", %progbits
    .global harness_reset
    .type harness_reset, %function
    .thumb_func
harness_reset:
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    ldr r0, =0xE000ED88     /* CPACR: full access to the FPU and to MVE, before any C */
    ldr r1, [r0]
    movs r2, #0xF
    lsls r2, r2, #20
    orrs r1, r2
    str r1, [r0]
    dsb
    isb
#endif
    ldr r0, =harness_bss_start
    ldr r1, =harness_bss_end
    movs r2, #0
    b 2f
1:  stm r0!, {r2}
2:  cmp r0, r1
    blo 1b
    bl main
    b .
    .pool
    .size harness_reset, . - harness_reset

    .section .text.harness_trap, "ax", %progbits
    .weak harness_fault     /* an image that is only weighed has none */
    .global harness_trap
    .type harness_trap, %function
    .thumb_func
harness_trap:
    mrs r0, msp
    ldr r1, =harness_vectors    /* a stack that overflowed is of no use any more */
    ldr r1, [r1]
    mov sp, r1
    bl harness_fault
    .pool
    .size harness_trap, . - harness_trap

    .section .text.semihosting, "ax", %progbits
    .global semihosting
    .type semihosting, %function
    .thumb_func
semihosting:
    bkpt 0xAB
    bx lr
    .size semihosting, . - semihosting

    .section .text.harness_call, "ax", %progbits
    .global harness_call
    .type harness_call, %function
    .thumb_func
harness_call:
    push {r3-r7, lr}
    mov r4, r0
    ldr r1, [r4, #12]       /* lowest */
    ldr r2, [r4, #16]       /* paint */
    mov r3, sp
    b 2f
1:  stm r1!, {r2}
2:  cmp r1, r3
    blo 1b
    str r3, [r4, #24]       /* top */
    ldr r5, [r4, #20]       /* clock */
    ldr r6, [r4, #0]        /* function */
    ldr r0, [r4, #4]
    ldr r1, [r4, #8]
    ldr r7, [r5]
    blx r6
    ldr r3, [r5]
    subs r7, r7, r3
    str r7, [r4, #28]       /* ticks */
    pop {r3-r7, pc}
    .size harness_call, . - harness_call

    .section .text.harness_nothing, "ax", %progbits
    .global harness_nothing
    .type harness_nothing, %function
    .thumb_func
harness_nothing:
    bx lr
    .size harness_nothing, . - harness_nothing

    .section .text.harness_spin, "ax", %progbits
    .global harness_spin
    .type harness_spin, %function
    .thumb_func
harness_spin:
1:  subs r0, r0, #1
    bne 1b
    bx lr
    .size harness_spin, . - harness_spin
