using System.Globalization;
using Kedge.Fuzz.Rosenpass;
using Kedge.Node.KeyExchange;
using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.KeyExchange;

/// <summary>Output keys on their way into files.</summary>
public sealed class OutputKeyInstallerTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-");
    private readonly LineWriter _output = new();

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _output.Dispose();
    }

    [Fact]
    public void Before_the_first_exchange_there_is_a_random_key_that_is_not_told_of()
    {
        string first = Path.Combine(_folder.FullName, "first"), second = Path.Combine(_folder.FullName, "second");
        using var installer = new OutputKeyInstaller([NewPeer(first), NewPeer(second)], _output, NullLogger.Instance);
        installer.Start();
        Assert.Equal(32, Convert.FromBase64String(File.ReadAllText(first)).Length);
        Assert.NotEqual(File.ReadAllText(first), File.ReadAllText(second));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(first));
        Assert.Equal("", _output.ToString());
    }

    [Theory]
    [InlineData(OutputKeyReason.Exchanged, "exchanged")]
    [InlineData(OutputKeyReason.Stale, "stale")]
    public void A_key_is_written_and_told_of(OutputKeyReason reason, string word)
    {
        string path = Path.Combine(_folder.FullName, "with \"quotes\"");
        KeyExchangePeer peer = NewPeer(path);
        using var installer = new OutputKeyInstaller([peer], _output, NullLogger.Instance);
        installer.Start();
        installer.Post(peer, reason, [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        Assert.True(_output.LineWritten.Wait(Patience, TestContext.Current.CancellationToken));
        Assert.Equal("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", File.ReadAllText(path));
        Assert.Equal($"output-key peer {peer.Id} key-file \"{_folder.FullName}/with \\\"quotes\\\"\" {word}\n", _output.ToString());
    }

    [Fact]
    public void WireGuard_gets_the_key_that_is_in_the_file()
    {
        string path = Path.Combine(_folder.FullName, "key");
        var wireGuard = new RecordingPeer();
        using var installer = new OutputKeyInstaller([NewPeer(path, wireGuard)], _output, NullLogger.Instance);
        installer.Start();
        Assert.Equal(File.ReadAllText(path), Convert.ToBase64String(wireGuard.PresharedKey));
    }

    private static KeyExchangePeer NewPeer(string path, IWireGuardPeer? wireGuard = null)
    {
        var dialects = new FakeDialects(1);
        using StaticKeyPair keys = dialects.NewKeyPair();
        return new(new RosenpassPeerSettings(keys.PublicKey, dialects.All[0]), []) { KeyFile = path, WireGuard = wireGuard };
    }

    private sealed class RecordingPeer : IWireGuardPeer
    {
        public byte[] PresharedKey { get; private set; } = [];

        public void SetPresharedKey(ReadOnlySpan<byte> key) => PresharedKey = key.ToArray();
    }

    private sealed class LineWriter() : StringWriter(CultureInfo.InvariantCulture)
    {
        public ManualResetEventSlim LineWritten { get; } = new();

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            LineWritten.Set();
        }

        protected override void Dispose(bool disposing)
        {
            LineWritten.Dispose();
            base.Dispose(disposing);
        }
    }
}
