using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Kedge.Linux.Processes;

/// <summary>How a program ended and what it printed.</summary>
/// <param name="ExitCode">Its exit code; 128 and the signal's number where a signal ended it.</param>
/// <param name="OutputBytes">
/// What it wrote to its standard output, in memory that the collector does not copy: whoever ran it can zero it for good.
/// </param>
/// <param name="Error">What it wrote to its standard error.</param>
public sealed record ProgramResult(int ExitCode, Memory<byte> OutputBytes, string Error)
{
    /// <summary>What it wrote to its standard output, where that is no secret.</summary>
    public string Output => Encoding.UTF8.GetString(OutputBytes.Span);

    /// <summary>Whether the exit code was 0.</summary>
    public bool Succeeded => ExitCode == 0;

    /// <summary>How it failed, as what is to be said of the program.</summary>
    public string Failure => $"ended with code {ExitCode}: {(Error.Trim() is { Length: > 0 } said ? said : "it said nothing")}";
}

/// <summary>Runs a program to its end, without a shell.</summary>
public static class ExternalProgram
{
    private const int FirstOutputSize = 4 << 10;

    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(10);

    // What the program has started may hold its streams open.
    private static readonly TimeSpan ReadingPeriod = TimeSpan.FromSeconds(3);

    /// <summary>Runs it in the calling thread's network namespace. Any thread; it blocks.</summary>
    /// <param name="line">The program and its arguments, none of them secret.</param>
    /// <param name="input">What it reads from its standard input; stays the caller's, who zeroes what is secret.</param>
    /// <param name="patience">How long it may take; ten seconds where nothing else is said.</param>
    /// <exception cref="LinuxException">
    /// It cannot be started (ENOENT: there is no such program), or was ended because it took too long (ETIME).
    /// </exception>
    public static ProgramResult Run(IReadOnlyList<string> line, ReadOnlySpan<byte> input = default, TimeSpan? patience = null)
    {
        ArgumentNullException.ThrowIfNull(line);
        var start = new ProcessStartInfo(line[0], line.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using Process process = Process.Start(start)!;
            Task<Memory<byte>> output = Task.Run(() => ReadAll(process.StandardOutput.BaseStream));
            Task<string> error = process.StandardError.ReadToEndAsync();
            Feed(process, input);
            if (!process.WaitForExit(patience ?? DefaultPatience))
            {
                process.Kill(entireProcessTree: true);
                throw new LinuxException(Errno.ETIME, "run", string.Join(' ', line));
            }
            return new ProgramResult(process.ExitCode, Take(output), Take(error) ?? "");
        }
        catch (Win32Exception e)
        {
            throw new LinuxException(e.NativeErrorCode, "start", line[0]);
        }
    }

    private static void Feed(Process process, ReadOnlySpan<byte> input)
    {
        try
        {
            // Not through the writer, whose buffer nobody zeroes.
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It did not want to read it; its exit code says whether that is a failure.
        }
    }

    private static Memory<byte> ReadAll(Stream output)
    {
        byte[] text = GC.AllocateArray<byte>(FirstOutputSize, pinned: true);
        int length = 0;
        for (int count; (count = output.Read(text, length, text.Length - length)) > 0;)
        {
            length += count;
            if (length < text.Length)
                continue;
            byte[] longer = GC.AllocateArray<byte>(2 * length, pinned: true);
            text.CopyTo(longer, 0);
            CryptographicOperations.ZeroMemory(text);
            text = longer;
        }
        return text.AsMemory(0, length);
    }

    private static T? Take<T>(Task<T> text) => text.Wait(ReadingPeriod) ? text.Result : default;
}
