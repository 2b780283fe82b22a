/* SPDX-License-Identifier: Apache-2.0 */
/* The switch for x86-64, System V ABI. What a stopped coroutine has on its stack, from its sp upwards:
 *
 *      0 mxcsr (4 bytes), x87 control word (2)
 *      8 r15   16 r14   24 r13   32 r12   40 rbx   48 rbp
 *     56 where it goes on
 *
 * The unwind information is as true after the change of stacks as before it, because both frames look the same. */
#define FRAME 64

        .text

/* void rn_swap(void **save, void *to) */
        .globl  rn_swap
        .hidden rn_swap
        .type   rn_swap, @function
        .p2align 4
rn_swap:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        notrack jmpq *%rcx      /* a ret would be predicted to go back to where the call came from, and cost 9 ns */
        .cfi_endproc
        .size   rn_swap, .-rn_swap

/* void *rn_swap_frame(char *low, size_t size, void (*main)(void *), void *arg): main in r12, arg in r13 */
        .globl  rn_swap_frame
        .hidden rn_swap_frame
        .type   rn_swap_frame, @function
        .p2align 4
rn_swap_frame:
        .cfi_startproc
        endbr64
        leaq    -16(%rdi, %rsi), %rax
        andq    $-16, %rax
        xorl    %r8d, %r8d
        movq    %r8, (%rax)
        leaq    rn_swap_begin(%rip), %r9
        subq    $FRAME, %rax
        stmxcsr (%rax)
        fnstcw  4(%rax)
        movq    %r8, 8(%rax)
        movq    %r8, 16(%rax)
        movq    %rcx, 24(%rax)
        movq    %rdx, 32(%rax)
        movq    %r8, 40(%rax)
        movq    %r8, 48(%rax)
        movq    %r9, 56(%rax)
        ret
        .cfi_endproc
        .size   rn_swap_frame, .-rn_swap_frame

/* The outermost frame of every coroutine. */
        .hidden rn_swap_personality
        .type   rn_swap_begin, @function
        .p2align 4
rn_swap_begin:
        .cfi_startproc
        .cfi_undefined rip   /* unwinders stop here */
        .cfi_personality 0x1b, rn_swap_personality      /* pc-relative, 4 bytes */
        endbr64
        movq    %r13, %rdi
        callq   *%r12
        ud2
        .cfi_endproc
        .size   rn_swap_begin, .-rn_swap_begin

        .section .note.GNU-stack, "", @progbits

/* IBT, and not SHSTK: a shadow stack would have to be switched too. */
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4, 16, 5        /* sizes of name and description, NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000002, 4   /* GNU_PROPERTY_X86_FEATURE_1_AND, its size */
        .long   1, 0            /* IBT, padding */
