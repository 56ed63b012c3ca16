using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>The program that this process runs.</summary>
public static unsafe class ProcessImage
{
    /// <summary>
    /// Runs another program in this process: number, arguments to the byte, environment, open descriptors and working folder stay
    /// (execve(2)). To be called before anything else of this process matters: all its threads and memory are gone.
    /// </summary>
    /// <param name="program">The program's file.</param>
    /// <exception cref="LinuxException">It cannot be run; nothing has changed.</exception>
    public static void Replace(string program) => Replace(program, 0, []);

    /// <summary>Also makes descriptors copies of another one, though this process's runtime may use them.</summary>
    /// <param name="program">The program's file.</param>
    /// <param name="source">The descriptor to copy.</param>
    /// <param name="targets">The numbers of the copies, which stay open.</param>
    /// <exception cref="LinuxException">It cannot be run; the descriptors are replaced all the same.</exception>
    internal static void Replace(string program, int source, ReadOnlySpan<int> targets)
    {
        // Not by way of strings: an argument need not be valid UTF-8. Every argument ends on a zero byte.
        byte[] arguments = File.ReadAllBytes("/proc/self/cmdline");
        int count = arguments.AsSpan().Count((byte)0);
        byte[] path = Encoding.UTF8.GetBytes(program + '\0');
        byte*[] argv = new byte*[count + 1];
        fixed (byte* p = path, words = arguments)
        fixed (byte** v = argv)
        {
            byte* next = words;
            for (int i = 0; i < count; i++)
            {
                argv[i] = next;
                next += MemoryMarshal.CreateReadOnlySpanFromNullTerminated(next).Length + 1;
            }
            // From the first replaced descriptor on, the runtime may find the end of /dev/urandom, and would ask it again for ever. So
            // nothing of the runtime may be needed any more: each call has been made once before, and is bound.
            byte none = 0;
            _ = Libc.execv(&none, v);
            _ = Libc.dup2(-1, -1);
            foreach (int target in targets)
                _ = Libc.dup2(source, target);
            _ = Libc.execv(p, v);
        }
        throw new LinuxException(Marshal.GetLastPInvokeError(), "run", program);
    }
}
