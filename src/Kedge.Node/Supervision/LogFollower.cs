namespace Kedge.Node.Supervision;

/// <summary>
/// Hands on what other processes append to a log file, and keeps the file from growing for ever: beyond a size it is renamed to
/// <c>FILE.1</c>, and the writers, who open it for each line, begin a new one. One thread at a time; whoever made it disposes it.
/// </summary>
/// <param name="path">The file, which need not exist yet.</param>
/// <param name="output">Gets the bytes.</param>
public sealed class LogFollower(string path, Stream output) : IDisposable
{
    /// <summary>Bytes beyond which the file is renamed.</summary>
    public const long MaximumLength = 4 << 20;

    private readonly byte[] _buffer = new byte[16384];
    private FileStream? _file;

    /// <summary>Passes over what is in the file now.</summary>
    public void SkipToEnd()
    {
        if (TryOpen())
            _file!.Seek(0, SeekOrigin.End);
    }

    /// <summary>Hands on what there is, without waiting.</summary>
    public void Poll()
    {
        if (!TryOpen())
            return;
        HandOn();
        try
        {
            if (_file!.Length <= MaximumLength)
                return;
            File.Move(path, path + ".1", overwrite: true);
            HandOn(); // what was written while it was renamed
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Renamed or removed by somebody else: the next file is followed from its start.
        }
        _file!.Dispose();
        _file = null;
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private void HandOn()
    {
        int length;
        while ((length = _file!.Read(_buffer)) > 0)
            output.Write(_buffer, 0, length);
    }

    private bool TryOpen()
    {
        if (_file is not null)
            return true;
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
