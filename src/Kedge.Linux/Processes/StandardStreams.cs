using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>Standard input, output and error of this process.</summary>
public static unsafe class StandardStreams
{
    /// <summary>The descriptor of standard output.</summary>
    public const int Output = 1;

    /// <summary>The descriptor of standard error.</summary>
    public const int Error = 2;

    private const string Nothing = "/dev/null";

    // A pipe that poll(2) calls writable takes so much without blocking (PIPE_BUF, pipe(7)).
    private const int Portion = 4096;

    /// <summary>
    /// Puts <c>/dev/null</c> in place of all three, so that whoever reads what this process writes (a pipe of the shell that started it)
    /// sees its end.
    /// </summary>
    /// <exception cref="LinuxException">There is no /dev/null.</exception>
    public static void Detach()
    {
        using Descriptor nothing = Descriptor.From(Libc.open(Nothing, Libc.O_RDWR | Libc.O_CLOEXEC, 0), "open", Nothing);
        for (int number = 0; number <= Error; number++)
            _ = Descriptor.Check(Libc.dup2(nothing.Number, number), "replace", $"descriptor {number}");
    }

    /// <summary>
    /// Starts this program again, in the same process, with <c>/dev/null</c> for each of the three that the process was started without.
    /// Otherwise files that the runtime has opened bear their numbers, and would be written to. To be called first of all; returns where
    /// nothing is missing, which takes a microsecond.
    /// </summary>
    /// <exception cref="LinuxException">There is no /dev/null, or the program cannot be run.</exception>
    public static void Complete()
    {
        int[] missing = [.. Enumerable.Range(0, 3).Where(number => IsMissing(number))];
        if (missing.Length == 0)
            return;
        // What nothing has is the number that open(2) gives out first; it then stays open.
        int nothing = Descriptor.Check(Libc.open(Nothing, Libc.O_RDWR, 0), "open", Nothing);
        if (nothing > Error)
            _ = Libc.fcntl(nothing, Libc.F_SETFD, Libc.FD_CLOEXEC);
        ProcessImage.Replace(Environment.ProcessPath!, nothing, missing);
    }

    /// <summary>
    /// Writes to <see cref="Output"/> or <see cref="Error"/> unless that would have to wait, as for the reader of a full pipe or a terminal
    /// that is stopped. Any thread.
    /// </summary>
    /// <param name="number">The descriptor.</param>
    /// <param name="line">What to write.</param>
    /// <returns>False if it could not be written, or only a part of it.</returns>
    public static bool TryWrite(int number, ReadOnlySpan<byte> line)
    {
        while (!line.IsEmpty)
        {
            if (!Poll.Wait(number, Libc.POLLOUT, deadline: default))
                return false;
            nint written;
            fixed (byte* start = line)
                written = Libc.write(number, start, (nuint)Math.Min(line.Length, Portion));
            if (written < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
                return false;
            line = line[(int)Math.Max(written, 0)..];
        }
        return true;
    }

    /// <summary>Writes a line to standard output; it is lost if nobody reads it. Any thread.</summary>
    public static void WriteLine(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        TryWrite(Output, Encoding.UTF8.GetBytes(line + '\n'));
    }

    // No descriptor that a process is started with is closed on exec; each that the runtime opens is.
    private static bool IsMissing(int number) =>
        Libc.fcntl(number, Libc.F_GETFD, 0) is var flags && (flags < 0 || (flags & Libc.FD_CLOEXEC) != 0);
}
