import Glibc
import Postgres

/// How much memory this process may use.
enum MachineMemory {
    /// The machine's memory in bytes, or what the control group of a container allows if that is less (cgroup v2, `memory.max`).
    static var bytes: Int {
        let pages = sysconf(CInt(_SC_PHYS_PAGES))
        let machine = pages > 0 ? pages * sysconf(CInt(_SC_PAGESIZE)) : 1 << 30
        return min(machine, limit(Files.text("/sys/fs/cgroup/memory.max") ?? "") ?? machine)
    }

    /// `max` means that there is no limit.
    static func limit(_ text: String) -> Int? {
        Int(text.trimmedLine)
    }

    /// PostgreSQL's `shared_buffers` for a cluster that shares its machine: an eighth of the memory, from 128 MB to 2 GB. Pages are
    /// allocated as they are used. If the indexes of a large cluster do not fit, PostgreSQL reads every other page from the operating
    /// system.
    static func sharedBuffers(of memory: Int) -> String {
        "\(min(max((memory / 8) >> 20, 128), 2_048))MB"
    }
}
