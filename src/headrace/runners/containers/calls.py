"""The system calls that a model in a container may make; every other one fails, in docker and in podman alike.

The engines' own list, less what a model has no use for and what was the way out of containers before: mounts, new and
other namespaces, ptrace and reading other processes, keys, io_uring, BPF. So both engines refuse the same, whatever
their versions. Names that a runtime does not know yet are passed over by it.
"""

import json
from typing import Any

NO_SUCH_CALL, NOT_PERMITTED = 38, 1
NEW_NAMESPACES = 0x7E020000  # flags of clone
VIRTUAL_MACHINES = 40  # a family of sockets that leads to the machine below, and knows no network namespace
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
REFUSED = (
    "add_key bpf chroot fsconfig fsmount fsopen fspick io_uring_enter io_uring_register io_uring_setup kcmp keyctl "
    "memfd_secret mount mount_setattr move_mount name_to_handle_at open_by_handle_at open_tree perf_event_open "
    "pidfd_getfd pivot_root process_vm_readv process_vm_writev ptrace quotactl reboot request_key sethostname "
    "setdomainname setns settimeofday clock_settime swapoff swapon syslog umount umount2 unshare userfaultfd acct "
    "delete_module finit_module init_module kexec_file_load kexec_load iopl ioperm"
)
ALLOWED = """
    _llseek _newselect accept accept4 access alarm arch_prctl arm_fadvise64_64 arm_sync_file_range bind brk cacheflush
    cachestat capget capset chdir chmod chown chown32 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create
    epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve
    execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat
    fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr
    fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
    futex_waitv futex_wake futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents getdents64
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp
    getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid
    getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl
    ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
    lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise
    map_shadow_stack mbind membarrier memfd_create mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2
    mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap nanosleep newfstatat open openat
    openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
    prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read
    readahead readdir readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
    removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg
    sendmsg sendto set_mempolicy set_robust_list set_thread_area set_tid_address set_tls setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid
    setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr shmat
    shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn
    sigsuspend socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
    sync_file_range2 syncfs syscall sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd timerfd_create timerfd_gettime timerfd_gettime64
    timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime
    utimensat utimensat_time64 utimes vfork wait4 waitid waitpid write writev
"""


def profile() -> str:
    """JSON, as engines take it."""
    rules: list[dict[str, Any]] = [
        {"names": ALLOWED.split(), "action": "SCMP_ACT_ALLOW"},
        {"names": REFUSED.split(), "action": "SCMP_ACT_ERRNO", "errnoRet": NOT_PERMITTED},
        # its flags lie in memory, where no filter reads them: C libraries then use `clone`. Said here, because not
        # every engine reads what is said of all other calls
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": NO_SUCH_CALL},
        _rule("clone", [_compare(0, NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0)]),
        *(_rule("personality", [_compare(0, one, "SCMP_CMP_EQ")]) for one in PERSONALITIES),
        _rule("socket", [_compare(0, VIRTUAL_MACHINES, "SCMP_CMP_NE")]),
    ]
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": NO_SUCH_CALL,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": rules,
        }
    )


def _rule(name: str, arguments: list[dict[str, Any]]) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": arguments}


def _compare(index: int, value: int, how: str, second: int = 0) -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": second, "op": how}
