using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Kedge.Linux.Namespaces;
using Kedge.Protocol;

namespace Kedge.Commands.Node;

/// <summary>A run of the machine's ping(8), each answer of which is shown with the path that its node has at that moment.</summary>
/// <param name="findPath">Finds the path, such as <c>192.0.2.7:51820 direct</c>; null where there is nothing to say of one.</param>
internal sealed class PingRun(Func<string?> findPath)
{
    private string? _first, _last;
    private int _changes;

    /// <summary>Whether anything has been answered.</summary>
    public bool IsAnswered { get; private set; }

    /// <summary>Runs it to its end and shows what it says as soon as it does. Signals that ask for an end are passed on to it.</summary>
    /// <param name="line">The program and its arguments.</param>
    /// <returns>Its exit code.</returns>
    /// <exception cref="UserError">It cannot be started.</exception>
    public int Run(string[] line)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(line[0], line[1..]) { RedirectStandardOutput = true })!;
            // It has statistics to show before it ends.
            using var signals = new EndSignals(() => Interrupt(process));
            while (process.StandardOutput.ReadLine() is { } said)
                Console.Out.WriteLine(Complete(said));
            process.WaitForExit();
            if (_changes > 0)
                Console.Out.WriteLine(Summary());
            return process.ExitCode;
        }
        catch (Win32Exception e)
        {
            throw new UserError($"{line[0]} cannot be started: {e.Message}. It is in Debian's package {(line[0] == "ip" ? "iproute2" : "iputils-ping")}.", e);
        }
    }

    private static void Interrupt(Process process)
    {
        if (!process.HasExited)
            ProcessSignals.Send(process.Id, ProcessSignal.Interrupt);
    }

    // An answer in any language, of iputils and of BusyBox; an error that a router reports has no TTL.
    private static bool IsAnswer(string line) =>
        line.Contains("seq=", StringComparison.Ordinal) && line.Contains("ttl=", StringComparison.Ordinal);

    private string Complete(string line)
    {
        if (!IsAnswer(line))
            return line;
        IsAnswered = true;
        if (findPath() is not { } path)
            return line;
        if (_last is not null && _last != path)
            _changes++;
        _first ??= path;
        _last = path;
        return $"{line} via {path}";
    }

    private string Summary() => _changes == 1
        ? $"The path changed once, from {_first} to {_last}."
        : string.Create(CultureInfo.InvariantCulture, $"The path changed {_changes} times, from {_first} at first to {_last} at last.");
}
