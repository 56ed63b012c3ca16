using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>SIGCHLD, which tells a process that a child has ended.</summary>
public static class ChildSignal
{
    /// <summary>
    /// Restores its default effect. A process that was started to ignore it, as some init systems, containers and scripts start theirs,
    /// would never learn how its children ended: the kernel forgets them at once (wait(2)). To be called before the runtime looks at
    /// signals, thus before the console or a child is used.
    /// </summary>
    public static void Restore() => _ = Libc.signal(Libc.SIGCHLD, Libc.SIG_DFL);
}
