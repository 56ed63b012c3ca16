using System.ComponentModel;
using System.Diagnostics;
using Kedge.Protocol;

namespace Kedge.Node.KeyExchange;

/// <summary>Runs a program to its end, without a shell.</summary>
public static class ExternalProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Runs it, for ten seconds at most.</summary>
    /// <param name="line">The program and its arguments, none of them secret.</param>
    /// <param name="input">What it reads from its standard input.</param>
    /// <exception cref="UserError">It cannot be started, takes too long, or ends with another code than 0.</exception>
    public static void Run(IReadOnlyList<string> line, ReadOnlySpan<byte> input)
    {
        var start = new ProcessStartInfo(line[0], line.Skip(1)) { RedirectStandardInput = true, RedirectStandardError = true };
        string shown = string.Join(' ', line);
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
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
        }
        catch (Win32Exception e)
        {
            string whence = line[0] == "wg" ? " It is in Debian's package wireguard-tools." : "";
            throw new UserError($"{line[0]} cannot be started: {e.Message}.{whence}", e);
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
}
