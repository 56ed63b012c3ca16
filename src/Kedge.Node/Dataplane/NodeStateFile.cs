using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kedge.Linux;
using Kedge.Linux.Files;

namespace Kedge.Node.Dataplane;

/// <summary>
/// <c>node.json</c>: a line with the format's number and the SHA-256 of what follows, then a <see cref="NodeState"/> as JSON. The generation
/// before stays beside it and is taken where the newest one is damaged. One thread at a time.
/// </summary>
/// <param name="path">The file. Its folder is made where it does not exist, for its owner alone.</param>
public sealed class NodeStateFile(string path)
{
    private const string Format = "kedge-node 1 ";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private byte[] _written = []; // the hash of what the file has, or nothing

    private string Previous => path + ".previous";

    /// <summary>Reads the newest state that is whole; an empty one where there is none.</summary>
    /// <param name="damaged">Told the file and what is wrong with it, for each that is passed over.</param>
    public NodeState Read(Action<string, string> damaged)
    {
        foreach (string candidate in (string[])[path, Previous])
        {
            byte[]? contents = null;
            try
            {
                if (!PrivateFile.TryRead(candidate, out contents))
                    continue;
                NodeState state = Parse(contents);
                using (state.ToChange())
                    return state; // its values are values
            }
            catch (Exception e) when (e is LinuxException or FormatException or JsonException)
            {
                damaged(candidate, e.Message);
                if (e is not LinuxException && candidate == path)
                    SetAside();
            }
            finally
            {
                CryptographicOperations.ZeroMemory(contents);
            }
        }
        return new NodeState();
    }

    /// <summary>Writes a state, unless the file has it already, and returns when it is on the disk.</summary>
    /// <exception cref="LinuxException">It could not be written; what was there is still there.</exception>
    /// <exception cref="IOException">The folder could not be made.</exception>
    public void Write(NodeState state)
    {
        var body = new ArrayBufferWriter<byte>(Bound(state));
        byte[] contents = [];
        try
        {
            using (var json = new Utf8JsonWriter(body))
                JsonSerializer.Serialize(json, state, NodeStateJson.Default.NodeState);
            byte[] hash = SHA256.HashData(body.WrittenSpan);
            if (hash.AsSpan().SequenceEqual(_written))
                return;
            byte[] header = Encoding.ASCII.GetBytes($"{Format}{Convert.ToHexStringLower(hash)}\n");
            contents = GC.AllocateUninitializedArray<byte>(header.Length + body.WrittenCount, pinned: true);
            header.CopyTo(contents, 0);
            body.WrittenSpan.CopyTo(contents.AsSpan(header.Length));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!, OwnerOnly);
            KeepPrevious();
            PrivateFile.Write(path, contents);
            _written = hash;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contents);
            body.Clear(); // zeroes it
        }
    }

    // More than the JSON takes, so that the buffer never grows and leaves no copy of a key behind.
    private static int Bound(NodeState state) =>
        8192 + 6 * (state.PrivateKeyFile?.Length ?? 0) + state.Peers.Sum(peer => 768 + 80 * peer.AllowedIps.Count);

    private static NodeState Parse(byte[] contents)
    {
        ReadOnlySpan<byte> bytes = contents;
        int lineFeed = bytes.IndexOf((byte)'\n');
        if (lineFeed < 0 || !bytes.StartsWith(Encoding.ASCII.GetBytes(Format)))
            throw new FormatException($"It does not begin with '{Format.TrimEnd()}'.");
        ReadOnlySpan<byte> body = bytes[(lineFeed + 1)..];
        string hash = Convert.ToHexStringLower(SHA256.HashData(body));
        if (Encoding.ASCII.GetString(bytes[Format.Length..lineFeed]) != hash)
            throw new FormatException("Its checksum is wrong.");
        return JsonSerializer.Deserialize(body, NodeStateJson.Default.NodeState) ?? throw new FormatException("It is empty.");
    }

    private void KeepPrevious()
    {
        try
        {
            if (File.Exists(path))
                PrivateFile.Link(path, Previous);
        }
        catch (LinuxException)
        {
            // Without the generation before there is still the newest one.
        }
    }

    // So that it does not become the generation before, in the place of a good one.
    private void SetAside()
    {
        try
        {
            File.Move(path, path + ".damaged", overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then it is overwritten.
        }
    }
}
