using System.Globalization;
using Kedge.Fuzz.Rosenpass;
using Kedge.Linux;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.WireGuard;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.KeyExchange;

/// <summary>Output keys on their way into files.</summary>
public sealed class OutputKeyInstallerTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-");
    private readonly LineWriter _output = new();
    private readonly StaticKeyPair _keys = new FakeDialects(1).NewKeyPair();

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _output.Dispose();
        _keys.Dispose();
    }

    [Fact]
    public void Before_the_first_exchange_a_peer_has_a_random_key_alone_and_nothing_is_written_or_told()
    {
        string path = Path.Combine(_folder.FullName, "key");
        var wireGuard = new RecordingPeer();
        using (OutputKeyInstaller installer = NewInstaller(NewPeer(path, wireGuard)))
        {
            installer.Start();
            Assert.True(SpinWait.SpinUntil(() => wireGuard.RandomKey.Length > 0, Patience));
        }
        Assert.InRange(wireGuard.RandomKey.Distinct().Count(), 16, 32);
        Assert.Empty(wireGuard.PresharedKey);
        Assert.False(File.Exists(path));
        Assert.Equal("", _output.ToString());
    }

    [Theory]
    [InlineData(OutputKeyReason.Exchanged, "exchanged")]
    [InlineData(OutputKeyReason.Stale, "stale")]
    public void A_key_is_written_and_told_of(OutputKeyReason reason, string word)
    {
        string path = Path.Combine(_folder.FullName, "with \"quotes\"");
        KeyExchangePeer peer = NewPeer(path);
        using OutputKeyInstaller installer = NewInstaller(peer);
        installer.Start();
        installer.Post(peer, reason, [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        Assert.True(_output.LineWritten.Wait(Patience, TestContext.Current.CancellationToken));
        Assert.Equal("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", File.ReadAllText(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal($"output-key peer {peer.Id} key-file \"{_folder.FullName}/with \\\"quotes\\\"\" {word}\n", _output.ToString());
    }

    [Fact]
    public void WireGuard_gets_the_key_that_is_in_the_file()
    {
        string path = Path.Combine(_folder.FullName, "key");
        var wireGuard = new RecordingPeer();
        KeyExchangePeer peer = NewPeer(path, wireGuard);
        using OutputKeyInstaller installer = NewInstaller(peer);
        installer.Start();
        installer.Post(peer, OutputKeyReason.Exchanged, [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        Assert.True(_output.LineWritten.Wait(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(File.ReadAllText(path), Convert.ToBase64String(wireGuard.PresharedKey));
    }

    [Fact]
    public void It_is_recorded_when_a_key_was_last_exchanged_until_the_end()
    {
        string path = Path.Combine(_folder.FullName, "key");
        var wireGuard = new RecordingPeer();
        KeyExchangePeer peer = NewPeer(path, wireGuard);
        var folder = new ExchangeFolder(_folder.FullName, wireGuard.Interface);
        using (OutputKeyInstaller installer = NewInstaller(peer))
        {
            installer.Start();
            Assert.Equal(new Dictionary<PublicKey, Instant?> { [wireGuard.PublicKey] = null }, folder.Read());

            Instant before = BootClock.Now;
            installer.Post(peer, OutputKeyReason.Exchanged, new byte[32]);
            Assert.True(SpinWait.SpinUntil(() => folder.Read()[wireGuard.PublicKey] is not null, Patience));
            Instant exchanged = folder.Read()[wireGuard.PublicKey]!.Value;
            Assert.InRange(exchanged.Ticks, before.Ticks, BootClock.Now.Ticks);

            _output.LineWritten.Reset();
            installer.Post(peer, OutputKeyReason.Stale, new byte[32]);
            Assert.True(_output.LineWritten.Wait(Patience, TestContext.Current.CancellationToken));
            Assert.Equal(exchanged, folder.Read()[wireGuard.PublicKey]);
        }
        Assert.Empty(folder.Read());
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.FullName));
    }

    [Fact]
    public void A_peer_that_is_slow_delays_neither_another_one_nor_the_end()
    {
        using var released = new ManualResetEventSlim();
        var slow = new SlowPeer(released);
        KeyExchangePeer one = NewPeer(Path.Combine(_folder.FullName, "one"), slow), other = NewPeer(Path.Combine(_folder.FullName, "other"));
        using (OutputKeyInstaller installer = NewInstaller(one, other))
        {
            installer.Start();
            installer.Post(one, OutputKeyReason.Exchanged, new byte[32]);
            Assert.True(slow.IsCalled.Wait(Patience, TestContext.Current.CancellationToken));

            installer.Post(other, OutputKeyReason.Exchanged, new byte[32]);

            Assert.True(_output.LineWritten.Wait(Patience, TestContext.Current.CancellationToken));
        } // which does not wait for it
        Assert.False(File.Exists(Path.Combine(_folder.FullName, "one")));
        released.Set();
    }

    private OutputKeyInstaller NewInstaller(params KeyExchangePeer[] peers) => new(
        new KeyExchangeSettings(_keys, [], peers) { RunDirectory = _folder.FullName }, _output.WriteLine, NullLogger.Instance);

    private static KeyExchangePeer NewPeer(string path, IWireGuardPeer? wireGuard = null)
    {
        var dialects = new FakeDialects(1);
        using StaticKeyPair keys = dialects.NewKeyPair();
        return new(new RosenpassPeerSettings(keys.PublicKey, dialects.All[0]), []) { KeyFile = path, WireGuard = wireGuard };
    }

    private sealed class RecordingPeer : IWireGuardPeer
    {
        public string Interface => "wg0";

        public PublicKey PublicKey { get; } = PublicKey.FromBytes([.. Enumerable.Range(1, PublicKey.Size).Select(i => (byte)i)]);

        public byte[] PresharedKey { get; private set; } = [];

        public byte[] RandomKey { get; private set; } = [];

        public void SetPresharedKeyAlone(ReadOnlySpan<byte> key) => RandomKey = key.ToArray();

        public void SetPresharedKey(ReadOnlySpan<byte> key) => PresharedKey = key.ToArray();
    }

    private sealed class SlowPeer(ManualResetEventSlim released) : IWireGuardPeer
    {
        public string Interface => "wg1";

        public PublicKey PublicKey { get; } = PublicKey.FromBytes([.. Enumerable.Range(2, PublicKey.Size).Select(i => (byte)i)]);

        public ManualResetEventSlim IsCalled { get; } = new();

        public void SetPresharedKeyAlone(ReadOnlySpan<byte> key)
        {
        }

        public void SetPresharedKey(ReadOnlySpan<byte> key)
        {
            IsCalled.Set();
            released.Wait();
            throw new UserError("It took too long.");
        }
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
