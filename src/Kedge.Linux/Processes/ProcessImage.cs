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
    public static void Replace(string program)
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
            _ = Libc.execv(p, v);
        }
        throw new LinuxException(Marshal.GetLastPInvokeError(), "run", program);
    }
}
