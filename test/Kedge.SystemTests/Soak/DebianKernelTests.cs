using System.Globalization;
using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Soak;

/// <summary>
/// Kedge at one end of a tunnel and the WireGuard of Debian's kernel at the other, in both roles: only the initiator knows where the other
/// one is.
/// </summary>
[Trait("Category", "Soak")]
public sealed class DebianKernelTests(DebianKernel kernel) : IClassFixture<DebianKernel>
{
    private const string TransferredFile = "/tmp/transferred";
    private static int s_pairs;

    [Theory]
    [InlineData(true, false, false)]
    [InlineData(false, false, true)]
    [InlineData(true, true, true)]
    [InlineData(false, true, false)]
    public void Pings_and_megabytes_of_TCP_pass_both_ways(bool kernelInitiates, bool overIPv6, bool withPresharedKey)
    {
        using var pair = new Pair(kernel, kernelInitiates, overIPv6, withPresharedKey ? WireGuardKeys.GeneratePresharedKey() : null);
        pair.Handshake();
        Assert.Equal(withPresharedKey, pair.Kedge.Peers.Single().HasPresharedKey);

        Assert.True(Ping.Run(kernel.Host, pair.KernelAddress, count: 20).AllReceived);
        Assert.True(Ping.Run(kernel.Host, pair.KernelAddress6, payloadBytes: 1372).AllReceived); // a full packet, with headers of 48 bytes
        kernel.Run($"ping -c 20 -A -W 5 {pair.KedgeAddress6} | grep ' 0% packet loss'");
        kernel.Run($"ping -c 3 -A -W 5 -s 1392 {pair.KedgeAddress} | grep ' 0% packet loss'");

        SendToKernel(pair.KernelAddress);
        SendFromKernel(pair.KedgeAddress);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Other_preshared_keys_let_nothing_pass_until_they_are_the_same(bool kernelInitiates)
    {
        string key = WireGuardKeys.GeneratePresharedKey();
        using var pair = new Pair(kernel, kernelInitiates, presharedKey: key);
        pair.SetKernelsPresharedKey(WireGuardKeys.GeneratePresharedKey());
        pair.NothingPasses();

        pair.SetKernelsPresharedKey(key);
        pair.Handshake();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_kernel_whose_key_Kedge_does_not_know_gets_no_session(bool kernelInitiates)
    {
        using var pair = new Pair(kernel, kernelInitiates);
        pair.GiveKernelAnotherKey(); // so its initiation is a stranger's, and it cannot read one that was made for its own key
        pair.NothingPasses();

        pair.GiveKernelItsOwnKey();
        pair.Handshake();
    }

    [Fact]
    public void The_kernel_follows_Kedge_to_another_port_and_address()
    {
        using var pair = new Pair(kernel, kernelInitiates: false);
        pair.Handshake();
        using var pings = PingStream.Start(kernel.Host, pair.KernelAddress, interval: 0.05);
        pings.WaitForReplies(Timeouts.Soon);

        pair.Kedge.Set("listen-port", "51999");
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal($"{DebianKernel.HostAddress}:51999", pair.KernelsEndpointOfKedge);

        // The old one is gone, so that the kernel's choice is the new one.
        kernel.Host.SetSetting("net.ipv4.conf.all.promote_secondaries", "1");
        kernel.Host.AddAddress(DebianKernel.Tap, "192.0.2.11/24");
        kernel.Host.Ip("address", "delete", $"{DebianKernel.HostAddress}/24", "dev", DebianKernel.Tap);
        try
        {
            pings.WaitForReplies(Timeouts.Soon);
            Assert.Equal("192.0.2.11:51999", pair.KernelsEndpointOfKedge);
        }
        finally
        {
            kernel.Host.AddAddress(DebianKernel.Tap, $"{DebianKernel.HostAddress}/24");
            kernel.Host.Ip("address", "delete", "192.0.2.11/24", "dev", DebianKernel.Tap);
        }
    }

    [Fact]
    public void Kedge_follows_the_kernel_to_another_port_and_address()
    {
        using var pair = new Pair(kernel, kernelInitiates: true);
        pair.Handshake();
        string process = kernel.Run($"ping -i 0.1 {pair.KedgeAddress} >/dev/null 2>&1 & echo $!");

        kernel.Run($"wg set {pair.KernelInterface} listen-port 51998");
        AwaitEndpoint($"{DebianKernel.GuestAddress}:51998");
        kernel.Run("echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries");
        kernel.Run($"ip address add 192.0.2.22/24 dev eth0 && ip address delete {DebianKernel.GuestAddress}/24 dev eth0");
        try
        {
            AwaitEndpoint("192.0.2.22:51998");
        }
        finally
        {
            kernel.Run($"ip address add {DebianKernel.GuestAddress}/24 dev eth0 && ip address delete 192.0.2.22/24 dev eth0");
            kernel.Run($"kill {process}");
        }

        void AwaitEndpoint(string endpoint) =>
            Wait.Until(() => pair.Kedge.Peers.Single().Endpoint == endpoint, Timeouts.Soon, $"the endpoint {endpoint}");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_persistent_keepalive_begins_the_handshake_and_then_comes_every_second(bool kernelSends)
    {
        const int KeepaliveBytes = 32;
        using var pair = new Pair(kernel, kernelInitiates: kernelSends);
        if (kernelSends)
            kernel.Run($"wg set {pair.KernelInterface} peer {pair.Kedge.Keys.PublicKey} persistent-keepalive 1");
        else
            pair.Kedge.Set("peer", pair.KernelKeys.PublicKey, "persistent-keepalive", "1");

        Wait.Until(() => Received() >= 148, Timeouts.Retry, "an initiation");
        long before = Received();
        DateTime start = DateTime.UtcNow;
        Wait.Until(() => Received() >= before + 5 * KeepaliveBytes, Timeouts.Soon, "five keepalives");
        Assert.InRange((DateTime.UtcNow - start).TotalSeconds, 3, 10);
        Assert.Equal(0, (Received() - before) % KeepaliveBytes);
        Assert.NotNull(pair.Kedge.Peers.Single().LatestHandshake);

        long Received() => kernelSends
            ? pair.Kedge.Peers.Single().ReceivedBytes
            : long.Parse(kernel.Run($"wg show {pair.KernelInterface} transfer").Split('\t')[1], CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Sessions_are_renewed_by_either_initiator_and_lose_nothing()
    {
        using var byKernel = new Pair(kernel, kernelInitiates: true);
        using var byKedge = new Pair(kernel, kernelInitiates: false);
        byKernel.Handshake();
        byKedge.Handshake();
        DateTimeOffset first = Latest(byKernel), second = Latest(byKedge);

        // Requests or replies, each end sends, so the initiator of the session renews it.
        using var pingsOne = PingStream.Start(kernel.Host, byKernel.KernelAddress, interval: 0.5);
        using var pingsTwo = PingStream.Start(kernel.Host, byKedge.KernelAddress, interval: 0.5);
        Wait.Until(
            () => Latest(byKernel) > first && Latest(byKedge) > second, TimeSpan.FromSeconds(150), "both renewals, after 120 s");
        pingsOne.WaitForReplies(Timeouts.Soon, count: 20);
        pingsTwo.WaitForReplies(Timeouts.Soon, count: 20);

        Assert.Empty(pingsOne.Lost);
        Assert.Empty(pingsTwo.Lost);
        Assert.All(
            new[] { Latest(byKernel) - first, Latest(byKedge) - second }, interval => Assert.InRange(interval.TotalSeconds, 117, 126));

        static DateTimeOffset Latest(Pair pair) => pair.Kedge.Peers.Single().LatestHandshake!.Value;
    }

    // A listening nc must not come to the end of its own input: it would say so, and the sender would go before it has sent all.
    private void SendToKernel(string address)
    {
        string file = Path.Combine(kernel.Net.TempFolder, "sent");
        byte[] content = new byte[4 << 20];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(file, content);
        kernel.Run("rm -f /tmp/open; mkfifo /tmp/open");
        kernel.Run($"timeout 60 nc -l -p 4000 <>/tmp/open >{TransferredFile} 2>&1 &");
        kernel.Run("until netstat -ltn | grep -q :4000; do usleep 10000; done");
        kernel.Host.Run("sh", "-c", "timeout 60 busybox nc \"$1\" 4000 <\"$2\"", "sh", address, file);
        kernel.Run("while pidof nc >/dev/null; do usleep 10000; done");
        Assert.Equal(SumOf(file), kernel.Run($"sha256sum <{TransferredFile}"));
    }

    private void SendFromKernel(string address)
    {
        string file = Path.Combine(kernel.Net.TempFolder, "received");
        kernel.Run($"dd if=/dev/urandom of={TransferredFile} bs=1M count=4 2>/dev/null");
        string open = Path.Combine(kernel.Net.TempFolder, "open");
        kernel.Host.Run("sh", "-c", "rm -f \"$1\"; mkfifo \"$1\"", "sh", open);
        using RunningProcess listener = kernel.Host.Start(
            "sh", "-c", "exec timeout 60 busybox nc -l -p 4000 <>\"$1\" >\"$2\"", "sh", open, file);
        Wait.Until(
            () => kernel.Host.Run("busybox", "netstat", "-ltn").Output.Contains(":4000 ", StringComparison.Ordinal), Timeouts.Soon, "nc");
        kernel.Run($"timeout 60 nc {address} 4000 <{TransferredFile}");
        Assert.True(listener.WaitForExit(Timeouts.Soon).Succeeded);
        Assert.Equal(kernel.Run($"sha256sum <{TransferredFile}"), SumOf(file));
    }

    private string SumOf(string file) => kernel.Host.Run("sh", "-c", "sha256sum <\"$1\"", "sh", file).Output.Trim();

    /// <summary>A tunnel with an end in the kernel and one of Kedge. Both go with it.</summary>
    private sealed class Pair : IDisposable
    {
        private readonly DebianKernel _kernel;
        private readonly int _number = Interlocked.Increment(ref s_pairs);
        private readonly bool _kernelInitiates;

        public Pair(DebianKernel kernel, bool kernelInitiates, bool overIPv6 = false, string? presharedKey = null)
        {
            (_kernel, _kernelInitiates) = (kernel, kernelInitiates);
            int kernelPort = 50000 + _number, kedgePort = 52000 + _number;
            string guest = overIPv6 ? DebianKernel.GuestAddress6 : DebianKernel.GuestAddress;
            string host = overIPv6 ? DebianKernel.HostAddress6 : DebianKernel.HostAddress;
            string atKernel = kernelInitiates ? $"endpoint {TunnelEnd.EndpointOf(host, kedgePort)}" : "";

            Kedge = DeviceProcess.StartKedge(kernel.Host, Repository.Program);
            Kedge.Set("listen-port", Text($"{kedgePort}"));
            string[] psk = presharedKey is null ? [] : ["preshared-key", kernel.Net.WriteSecret($"{Kedge.Name}.psk", presharedKey)];
            string[] endpoint = kernelInitiates ? [] : ["endpoint", TunnelEnd.EndpointOf(guest, kernelPort)];
            Kedge.Set(["peer", KernelKeys.PublicKey, .. psk, .. endpoint, "allowed-ips", $"{KernelAddress}/32,{KernelAddress6}/128"]);
            Kedge.SetUp([$"{KedgeAddress}/24", $"{KedgeAddress6}/64"]);

            kernel.Run($"ip link add {KernelInterface} type wireguard && ip address add {KernelAddress}/24 dev {KernelInterface} "
                + $"&& ip address add {KernelAddress6}/64 dev {KernelInterface} && ip link set {KernelInterface} up");
            GiveKernelItsOwnKey();
            kernel.Run(Text($"wg set {KernelInterface} listen-port {kernelPort} peer {Kedge.Keys.PublicKey} ")
                + $"{atKernel} allowed-ips {KedgeAddress}/32,{KedgeAddress6}/128");
            if (presharedKey is not null)
                SetKernelsPresharedKey(presharedKey);
        }

        public DeviceProcess Kedge { get; }

        public WireGuardKeys KernelKeys { get; } = WireGuardKeys.Generate();

        public string KernelInterface => Text($"wg{_number}");

        public string KedgeAddress => Text($"10.77.{_number}.1");

        public string KedgeAddress6 => Text($"fd77:{_number}::1");

        public string KernelAddress => Text($"10.77.{_number}.2");

        public string KernelAddress6 => Text($"fd77:{_number}::2");

        public string KernelsEndpointOfKedge => _kernel.Run($"wg show {KernelInterface} endpoints").Split('\t')[1];

        private bool KernelHasHandshake =>
            !_kernel.Run($"wg show {KernelInterface} latest-handshakes").EndsWith("\t0", StringComparison.Ordinal);

        public void SetKernelsPresharedKey(string key) =>
            _kernel.Run($"echo {key} >/tmp/psk; wg set {KernelInterface} peer {Kedge.Keys.PublicKey} preshared-key /tmp/psk; rm /tmp/psk");

        public void GiveKernelItsOwnKey() => GiveKernel(KernelKeys);

        public void GiveKernelAnotherKey() => GiveKernel(WireGuardKeys.Generate());

        /// <summary>The initiator pings until an answer comes: 5 s later at the latest it tries again.</summary>
        public void Handshake()
        {
            Wait.Until(PingPasses, Timeouts.Retry, $"a reply through the tunnel {_number}");
            Assert.True(KernelHasHandshake);
            Assert.NotNull(Kedge.Peers.Single().LatestHandshake);
        }

        /// <summary>The initiator tries, over more than the 5 s after which it tries again, and neither end has a session.</summary>
        public void NothingPasses()
        {
            for (int i = 0; i < 7; i++)
                Assert.False(PingPasses());
            Assert.False(KernelHasHandshake);
            PeerStatus peer = Kedge.Peers.Single();
            Assert.Null(peer.LatestHandshake);
            Assert.True(_kernelInitiates || peer.SentBytes >= 2 * 148, $"{peer.SentBytes} bytes");
        }

        public void Dispose()
        {
            Kedge.Dispose();
            _kernel.Try($"ip link delete {KernelInterface}");
        }

        private bool PingPasses() => _kernelInitiates
            ? _kernel.Try($"ping -c 1 -W 1 {KedgeAddress}").Succeeded
            : Ping.Run(_kernel.Host, KernelAddress, count: 1, patience: Ping.Brief).AllReceived;

        private void GiveKernel(WireGuardKeys keys) =>
            _kernel.Run($"echo {keys.PrivateKey} >/tmp/key; wg set {KernelInterface} private-key /tmp/key; rm /tmp/key");

        private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }
}
