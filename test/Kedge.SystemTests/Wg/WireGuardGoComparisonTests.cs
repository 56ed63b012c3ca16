using Kedge.Demo;

namespace Kedge.SystemTests.Wg;

/// <summary>The same bytes to wireguard-go and to <c>kedge wg</c>: what they answer must be the same.</summary>
public sealed class WireGuardGoComparisonTests(WireGuardGoComparisonTests.Devices devices)
    : IClassFixture<WireGuardGoComparisonTests.Devices>
{
    private const string OwnKey = "ff4b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba5202ff"; // not clamped
    private const string PeerKey = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
    private const string OtherKey = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376";
    private const string SomePsk = "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52";

    [Fact]
    public void The_same_configuration_is_shown_in_the_same_words()
    {
        string request =
            $"set=1\nprivate_key={OwnKey}\nlisten_port=12912\nfwmark=51\nreplace_peers=true\n"
            + $"public_key={PeerKey}\npreshared_key={SomePsk}\nendpoint=192.0.2.7:51820\npersistent_keepalive_interval=111\n"
            + "replace_allowed_ips=true\nallowed_ip=192.168.4.4/32\nallowed_ip=10.1.2.3/8\nallowed_ip=fd00:0:0:7::1/64\nallowed_ip=::/0\n"
            + $"public_key={OtherKey}\nupdate_only=true\nallowed_ip=10.9.0.0/16\n"
            + $"public_key={OtherKey}\nendpoint=[2001:db8::1]:7\nprotocol_version=1\nallowed_ip=0.0.0.0/0\n\n";
        Assert.Equal("errno=0\n\n", devices.AskTheirs(request));
        Assert.Equal("errno=0\n\n", devices.AskOurs(request));
        Assert.Equal(Sorted(devices.AskTheirs("get=1\n\n")), Sorted(devices.AskOurs("get=1\n\n")));
    }

    [Theory]
    [InlineData("set=1\n\n")]
    [InlineData("set=1\nprivate_key=00\n\n")]
    [InlineData("set=1\nlisten_port=x\n\n")]
    [InlineData("set=1\nlisten_port=-1\n\n")]
    [InlineData("set=1\nlisten_port=65536\n\n")]
    [InlineData("set=1\nfwmark=0x1\n\n")]
    [InlineData("set=1\nfwmark=4294967296\n\n")]
    [InlineData("set=1\nreplace_peers=false\n\n")]
    [InlineData("set=1\nno_such_key=1\n\n")]
    [InlineData("set=1\nprotocol_version=1\n\n")]
    [InlineData("set=1\nallowed_ip=10.0.0.0/8\n\n")]
    [InlineData("set=1\nno equals sign\n\n")]
    [InlineData("set=1\npublic_key=00\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nno_such_key=1\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nlisten_port=1\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nremove=yes\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nupdate_only=false\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nreplace_allowed_ips=1\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\npreshared_key=xyz\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nendpoint=192.0.2.1\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nendpoint=example.net:1\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\npersistent_keepalive_interval=off\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\npersistent_keepalive_interval=65536\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nallowed_ip=10.0.0.0\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nallowed_ip=10.0.0.0/33\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nallowed_ip=fe80::1%lo/64\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nprotocol_version=2\n\n")]
    [InlineData($"set=1\npublic_key={OtherKey}\nrx_bytes=1\n\n")]
    [InlineData("get=1\nlisten_port=1\n\n")]
    public void The_same_request_gets_the_same_answer(string request) =>
        Assert.Equal(devices.AskTheirs(request), devices.AskOurs(request));

    // Neither the order of peers nor that of a peer's prefixes means anything. All other lines have theirs.
    private static string Sorted(string answer)
    {
        Assert.EndsWith("\nerrno=0\n\n", answer, StringComparison.Ordinal);
        string[] sections = answer[..^"errno=0\n\n".Length].Split("public_key=");
        return string.Join("public_key=", sections[1..].Select(SortPrefixes).Order(StringComparer.Ordinal).Prepend(sections[0]));
    }

    private static string SortPrefixes(string section)
    {
        ILookup<bool, string> lines = section.Split('\n').ToLookup(line => line.StartsWith("allowed_ip=", StringComparison.Ordinal));
        return string.Join('\n', lines[false].Concat(lines[true].Order(StringComparer.Ordinal)));
    }

    /// <summary>One device of each, down, for all tests: a request that is refused leaves them as they are, or as good as.</summary>
    public sealed class Devices : IDisposable
    {
        private readonly Topology _net = Topology.Create();
        private readonly DeviceProcess _theirs;
        private readonly string _ours;

        public Devices()
        {
            _theirs = DeviceProcess.StartWireGuardGo(_net.AddHost("theirs"));
            string name = _net.NewInterfaceName();
            KedgeProgram.StartDevice(_net.AddHost("ours"), name);
            _ours = KedgeProgram.SocketOf(name);
        }

        public string AskTheirs(string request) => UapiClient.Ask(_theirs.SocketPath, request);

        public string AskOurs(string request) => UapiClient.Ask(_ours, request);

        public void Dispose() => _net.Dispose();
    }
}
