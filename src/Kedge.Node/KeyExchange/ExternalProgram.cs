using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using Kedge.Protocol;

namespace Kedge.Node.KeyExchange;

/// <summary>Runs a program to its end, without a shell.</summary>
public static class ExternalProgram
{
    private const int FirstSize = 16 << 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Runs it, for ten seconds at most.</summary>
    /// <param name="line">The program and its arguments, none of them secret.</param>
    /// <param name="input">What it reads from its standard input.</param>
    /// <exception cref="UserError">It cannot be started, takes too long, or ends with another code than 0.</exception>
    public static void Run(IReadOnlyList<string> line, ReadOnlySpan<byte> input) => Run(line, input, readsOutput: false);

    /// <summary>Runs it, for ten seconds at most, and returns what it wrote to its standard output, which the caller zeroes.</summary>
    /// <inheritdoc cref="Run(IReadOnlyList{string}, ReadOnlySpan{byte})"/>
    public static Memory<byte> Read(IReadOnlyList<string> line) => Run(line, input: [], readsOutput: true);

    private static Memory<byte> Run(IReadOnlyList<string> line, ReadOnlySpan<byte> input, bool readsOutput)
    {
        var start = new ProcessStartInfo(line[0], line.Skip(1))
        {
            RedirectStandardInput = true, RedirectStandardOutput = readsOutput, RedirectStandardError = true,
        };
        string shown = string.Join(' ', line);
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            Task<Memory<byte>>? output = readsOutput ? Task.Run(() => ReadAll(process.StandardOutput.BaseStream)) : null;
            Feed(process, input);
            if (!process.WaitForExit(Patience))
            {
                process.Kill(entireProcessTree: true);
                throw new UserError($"'{shown}' was ended because it took more than {Patience.TotalSeconds:0} seconds.");
            }
            if (process.ExitCode != 0)
            {
                // What it has started may hold the stream open.
                string said = error.Wait(TimeSpan.FromSeconds(1)) ? error.Result.Trim() : "";
                throw new UserError($"'{shown}' ended with code {process.ExitCode}: {(said.Length > 0 ? said : "it said nothing")}");
            }
            return output?.GetAwaiter().GetResult() ?? default;
        }
        catch (Win32Exception e)
        {
            string whence = line[0] == "wg" ? " It is in Debian's package wireguard-tools." : "";
            throw new UserError($"{line[0]} cannot be started: {e.Message}.{whence}", e);
        }
    }

    // What it writes may be secret: it stays where it is read to, or is zeroed.
    private static Memory<byte> ReadAll(Stream output)
    {
        byte[] text = GC.AllocateArray<byte>(FirstSize, pinned: true);
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
}
