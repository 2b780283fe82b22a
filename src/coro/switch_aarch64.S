/* SPDX-License-Identifier: Apache-2.0 */
/* The switch for aarch64, AAPCS64. What a stopped coroutine has on its stack, from its sp upwards:
 *
 *      0 x29, x30 (where it goes on)
 *     16 x19, x20    32 x21, x22    48 x23, x24    64 x25, x26    80 x27, x28
 *     96 d8, d9     112 d10, d11   128 d12, d13   144 d14, d15
 *    160 fpcr, 8 bytes unused
 *
 * The unwind information is as true after the change of stacks as before it, because both frames look the same. */
#define FRAME 176

        .text

/* void rn_swap(void **save, void *to) */
        .globl  rn_swap
        .hidden rn_swap
        .type   rn_swap, %function
        .p2align 4
rn_swap:
        .cfi_startproc
        hint    #34                     /* bti c */
        stp     x29, x30, [sp, #-FRAME]!
        .cfi_def_cfa_offset FRAME
        .cfi_offset x29, -FRAME
        .cfi_offset x30, -FRAME + 8
        stp     x19, x20, [sp, #16]
        .cfi_offset x19, -FRAME + 16
        .cfi_offset x20, -FRAME + 24
        stp     x21, x22, [sp, #32]
        .cfi_offset x21, -FRAME + 32
        .cfi_offset x22, -FRAME + 40
        stp     x23, x24, [sp, #48]
        .cfi_offset x23, -FRAME + 48
        .cfi_offset x24, -FRAME + 56
        stp     x25, x26, [sp, #64]
        .cfi_offset x25, -FRAME + 64
        .cfi_offset x26, -FRAME + 72
        stp     x27, x28, [sp, #80]
        .cfi_offset x27, -FRAME + 80
        .cfi_offset x28, -FRAME + 88
        stp     d8, d9, [sp, #96]
        .cfi_offset d8, -FRAME + 96
        .cfi_offset d9, -FRAME + 104
        stp     d10, d11, [sp, #112]
        .cfi_offset d10, -FRAME + 112
        .cfi_offset d11, -FRAME + 120
        stp     d12, d13, [sp, #128]
        .cfi_offset d12, -FRAME + 128
        .cfi_offset d13, -FRAME + 136
        stp     d14, d15, [sp, #144]
        .cfi_offset d14, -FRAME + 144
        .cfi_offset d15, -FRAME + 152
        mrs     x2, fpcr
        str     x2, [sp, #160]
        mov     x3, sp
        str     x3, [x0]
        mov     sp, x1
        ldr     x3, [sp, #160]
        cmp     x2, x3                  /* writing fpcr is slow, and it is nearly always the same */
        b.eq    1f
        msr     fpcr, x3
1:      ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x27, x28, [sp, #80]
        ldp     x25, x26, [sp, #64]
        ldp     x23, x24, [sp, #48]
        ldp     x21, x22, [sp, #32]
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp], #FRAME
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        ret
        .cfi_endproc
        .size   rn_swap, .-rn_swap

/* void *rn_swap_frame(char *low, size_t size, void (*main)(void *), void *arg): main in x19, arg in x20 */
        .globl  rn_swap_frame
        .hidden rn_swap_frame
        .type   rn_swap_frame, %function
        .p2align 4
rn_swap_frame:
        .cfi_startproc
        hint    #34
        add     x0, x0, x1
        and     x0, x0, #-16
        sub     x0, x0, #FRAME
        adr     x4, rn_swap_begin
        stp     xzr, x4, [x0]
        stp     x2, x3, [x0, #16]
        mrs     x5, fpcr
        str     x5, [x0, #160]
        ret
        .cfi_endproc
        .size   rn_swap_frame, .-rn_swap_frame

/* The outermost frame of every coroutine. */
        .hidden rn_swap_personality
        .type   rn_swap_begin, %function
        .p2align 4
rn_swap_begin:
        .cfi_startproc
        .cfi_undefined x30      /* unwinders stop here */
        .cfi_personality 0x1b, rn_swap_personality      /* pc-relative, 4 bytes */
        hint    #36                     /* bti j */
        mov     x0, x20
        blr     x19
        brk     #1000
        .cfi_endproc
        .size   rn_swap_begin, .-rn_swap_begin

        .section .note.GNU-stack, "", %progbits

        .section .note.gnu.property, "a", %note
        .p2align 3
        .long   4, 16, 5                /* sizes of name and description, NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000000, 4           /* GNU_PROPERTY_AARCH64_FEATURE_1_AND, its size */
        .long   1, 0                    /* BTI, padding */
