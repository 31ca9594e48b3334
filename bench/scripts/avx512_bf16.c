/*
 * Answers CPUID for one process with AVX512_BF16 set, for measurements on processors that have these instructions but
 * whose hypervisor hides them in CPUID. On processors without them the process dies of SIGILL.
 *
 *   gcc -O2 -shared -fPIC bench/scripts/avx512_bf16.c -o avx512_bf16.so
 *   LD_PRELOAD=$PWD/avx512_bf16.so ./moe4j bench train --preset cpu-moe8 --precision bf16 --json
 *
 * arch_prctl (Linux on x86-64) makes CPUID fault. The signal handler here answers that fault and passes all other faults to
 * the handler that the JVM registers.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define FEATURES 7u
#define AVX512_BF16 (1u << 5) /* EAX of FEATURES, subleaf 1 */

typedef int sigaction_function(int, const struct sigaction *, struct sigaction *);

static struct sigaction registered;

static int real_sigaction(int number, const struct sigaction *action, struct sigaction *old) {
  static sigaction_function *real;
  if (!real) {
    real = (sigaction_function *)dlsym(RTLD_NEXT, "sigaction");
  }
  return real(number, action, old);
}

static void let_cpuid_fault(int fault) {
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, !fault);
}

static void answer(greg_t *registers) {
  unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a, b, c, d;
  let_cpuid_fault(0);
  __cpuid_count(leaf, subleaf, a, b, c, d);
  let_cpuid_fault(1);
  if (leaf == FEATURES && subleaf == 0 && a == 0) {
    a = 1; /* the last subleaf */
  }
  if (leaf == FEATURES && subleaf == 1) {
    a |= AVX512_BF16;
  }
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2; /* CPUID is 0F A2 */
}

static void handle(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
  if (info->si_code == SI_KERNEL && instruction[0] == 0x0f && instruction[1] == 0xa2) {
    answer(registers);
  } else if (registered.sa_flags & SA_SIGINFO) {
    registered.sa_sigaction(number, info, context);
  } else if (registered.sa_handler != SIG_DFL && registered.sa_handler != SIG_IGN) {
    registered.sa_handler(number);
  } else {
    signal(number, SIG_DFL);
  }
}

/* What a process registers for SIGSEGV is called from handle. */
int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
  if (number != SIGSEGV) {
    return real_sigaction(number, action, old);
  }
  if (old) {
    *old = registered;
  }
  if (action) {
    registered = *action;
  }
  return 0;
}

__attribute__((constructor)) static void start(void) {
  struct sigaction own;
  memset(&own, 0, sizeof own);
  own.sa_sigaction = handle;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER;
  real_sigaction(SIGSEGV, &own, NULL);
  let_cpuid_fault(1);
}
