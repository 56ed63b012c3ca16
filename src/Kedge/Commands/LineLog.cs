using System.Globalization;
using System.Text;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands;

/// <summary>
/// Writes a log as lines: time, level, interface, message. Lines are safe to show on a terminal, wherever parts of the message come from. A
/// file that has grown too long is renamed to <c>FILE.1</c>, replacing the one before it. Standard error is never waited for: lines that
/// nobody reads are lost, and counted. Any thread may use it.
/// </summary>
/// <param name="name">Whose log this is: the interface's name.</param>
/// <param name="level">The least level that is written.</param>
/// <param name="path">The file to append to, which has one writer; null for standard error.</param>
internal sealed class LineLog(string name, LogLevel level, string? path) : ILogger
{
    /// <summary>The levels as a person names them, from nothing to everything.</summary>
    public static readonly string[] Levels = ["silent", "error", "warning", "info", "verbose"];

    /// <summary>Bytes beyond which a file is renamed.</summary>
    public const long MaximumLength = 4 << 20;

    private readonly Lock _lock = new();
    private long _lost;

    /// <summary>
    /// The level where none is asked for: what the variable <c>LOG_LEVEL</c> tells wireguard-go. Other programs use that name too, so what
    /// is not wireguard-go's is passed over.
    /// </summary>
    public static string DefaultLevel() => Environment.GetEnvironmentVariable("LOG_LEVEL") switch
    {
        "silent" => "silent",
        "error" => "error",
        "verbose" or "debug" => "verbose",
        _ => "info",
    };

    /// <summary>The level that one of <see cref="Levels"/> stands for.</summary>
    public static LogLevel ParseLevel(string level) => level switch
    {
        "silent" => LogLevel.None,
        "error" => LogLevel.Error,
        "warning" => LogLevel.Warning,
        "info" => LogLevel.Information,
        _ => LogLevel.Debug,
    };

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= level && logLevel != LogLevel.None;

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        string message = formatter(state, exception);
        if (exception is not null)
            message += $": {exception}";
        byte[] line = Line(logLevel, message);
        try
        {
            lock (_lock)
                Append(line);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A log that cannot be written is no reason to end a tunnel.
        }
    }

    private byte[] Line(LogLevel logLevel, string message)
    {
        string time = DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        return Encoding.UTF8.GetBytes($"{time} {Word(logLevel)} {name}: {PrintableText.Clean(message.ReplaceLineEndings(" | "))}\n");
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical or LogLevel.Error => "error",
        LogLevel.Warning => "warning",
        LogLevel.Information => "info",
        _ => "debug",
    };

    private void Append(ReadOnlySpan<byte> line)
    {
        if (path is null)
        {
            // By number, and not by a stream, which would hold a copy of the descriptor when the process detaches.
            if (_lost > 0 && StandardStreams.TryWrite(StandardStreams.Error, Line(LogLevel.Warning, $"{_lost} lines of this log were lost, as nobody read it")))
                _lost = 0;
            if (_lost > 0 || !StandardStreams.TryWrite(StandardStreams.Error, line))
                _lost++;
            return;
        }
        bool isFull;
        using (FileStream file = Open(path))
        {
            file.Write(line);
            isFull = file.Length > MaximumLength;
        }
        if (isFull)
            File.Move(path, path + ".1", overwrite: true);
    }

    private static FileStream Open(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.ReadWrite | FileShare.Delete,
        BufferSize = 0,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });
}
