namespace Kedge.Node.Supervision;

/// <summary>
/// Copies what other processes append to a log file, also when the file is renamed and a new one takes its place. Not thread-safe.
/// </summary>
/// <param name="path">The file, which need not exist yet.</param>
/// <param name="output">Receives the bytes.</param>
public sealed class LogFollower(string path, Stream output) : IDisposable
{
    private readonly byte[] _buffer = new byte[16384];
    private FileStream? _file;
    private string? _nameAtOpening;

    /// <summary>Skips what is in the file now.</summary>
    public void SkipToEnd()
    {
        if (TryOpen())
            _file!.Seek(0, SeekOrigin.End);
    }

    /// <summary>Copies what has been written since the last call, without waiting.</summary>
    /// <exception cref="IOException">The output cannot be written.</exception>
    public void Poll()
    {
        while (TryOpen())
        {
            Copy();
            if (Name(_file!) == _nameAtOpening)
                return;
            Copy(); // what was written between the last read and the renaming
            _file!.Dispose();
            _file = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    // What the kernel calls the open file now: another name, or one that ends in "(deleted)", after it was renamed or removed.
    private static string? Name(FileStream file) =>
        File.ResolveLinkTarget($"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}", false)?.FullName;

    private void Copy()
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
            _nameAtOpening = Name(_file);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
