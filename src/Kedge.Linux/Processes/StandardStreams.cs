using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>Standard input, output and error of this process.</summary>
public static class StandardStreams
{
    /// <summary>
    /// Puts <c>/dev/null</c> in place of all three, so that whoever reads what this process writes (a pipe of the shell that started it)
    /// sees its end.
    /// </summary>
    /// <exception cref="LinuxException">There is no /dev/null.</exception>
    public static void Detach()
    {
        using Descriptor nothing = Descriptor.From(Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0), "open", "/dev/null");
        for (int number = 0; number <= 2; number++)
            _ = Descriptor.Check(Libc.dup2(nothing.Number, number), "replace", $"descriptor {number}");
    }
}
