using System.Text;
using Kedge.Node.Supervision;

namespace Kedge.Commands.Node;

/// <summary>
/// Merges the lines of several logs in order of time, each prefixed with the name of its file. Files may be renamed and removed meanwhile.
/// Not thread-safe.
/// </summary>
internal sealed class LogFiles : IDisposable
{
    private readonly Source[] _sources;
    private readonly int _nameWidth;

    /// <param name="paths">The files, which need not exist; the one before each is <c>FILE.1</c>.</param>
    public LogFiles(IReadOnlyList<string> paths)
    {
        _sources = [.. paths.Select(path => new Source(path))];
        _nameWidth = _sources.Max(source => source.Name.Length);
    }

    /// <summary>The lines written since the last call; at the first call, all of them.</summary>
    public IReadOnlyList<string> ReadNew() =>
    [
        .. _sources.SelectMany(source => source.ReadNew().Select(line => (source.Name, Line: line)))
            .OrderBy(one => Time(one.Line), StringComparer.Ordinal) // which keeps the order within a file where times are equal
            .Select(one => $"{one.Name.PadRight(_nameWidth)} {one.Line}"),
    ];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Source source in _sources)
            source.Dispose();
    }

    // A line begins with its time in UTC, written so that earlier times sort before later ones.
    private static string Time(string line) => line.Split(' ', 2)[0];

    private sealed class Source(string path) : IDisposable
    {
        private readonly MemoryStream _new = new();
        private LogFollower? _follower;

        public string Name { get; } = Path.GetFileNameWithoutExtension(path);

        public string[] ReadNew()
        {
            if (_follower is null)
            {
                using var before = new LogFollower(path + ".1", _new);
                before.Poll();
                _follower = new LogFollower(path, _new);
            }
            _follower.Poll();
            ReadOnlySpan<byte> all = _new.GetBuffer().AsSpan(0, (int)_new.Length);
            int end = all.LastIndexOf((byte)'\n') + 1;
            string text = Encoding.UTF8.GetString(all[..end]);
            byte[] rest = all[end..].ToArray(); // of a line that is being written
            _new.SetLength(0);
            _new.Write(rest);
            return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }

        public void Dispose()
        {
            _follower?.Dispose();
            _new.Dispose();
        }
    }
}
