using System.Globalization;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Namespaces;

namespace Kedge.SystemTests.Namespaces;

public sealed class NetworkNamespaceTests : IDisposable
{
    private const int NoSuchFile = 2, Exists = 17;

    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _name;

    public NetworkNamespaceTests()
    {
        _host = _net.AddHost("host");
        _name = $"{_host.Namespace.Name}-other"; // Owned by this process as well, and removed after its death.
    }

    public void Dispose()
    {
        foreach (NetworkNamespace left in NetworkNamespace.List(_name))
            left.Delete();
        _net.Dispose();
    }

    [Fact]
    public void A_namespace_is_one_that_iproute2_knows()
    {
        NetworkNamespace created = NetworkNamespace.Create(_name);

        Assert.Contains(_name, IpNetns("list").Split('\n').Select(line => line.Split(' ')[0]));
        Assert.Contains("lo: <LOOPBACK> ", IpNetns("exec", _name, "ip", "link"), StringComparison.Ordinal);
        created.Delete();
        Assert.DoesNotContain(_name, IpNetns("list"), StringComparison.Ordinal);
        Assert.False(File.Exists(created.Path));
    }

    [Fact]
    public void A_namespace_that_iproute2_made_is_opened_and_deleted()
    {
        IpNetns("add", _name);

        NetworkNamespace opened = NetworkNamespace.Open(_name);
        Assert.Equal(["lo"], opened.Run(Links));
        opened.Delete();

        Assert.DoesNotContain(_name, IpNetns("list"), StringComparison.Ordinal);
    }

    [Fact]
    public void Code_inside_sees_the_interfaces_of_the_namespace_and_its_caller_does_not()
    {
        NetworkNamespace inside = _host.Namespace;
        string before = NamespaceOfThread();

        string there = inside.Run(NamespaceOfThread);

        Assert.NotEqual(before, there);
        Assert.Equal(before, NamespaceOfThread());
        Assert.Equal(there, _host.Run("readlink", "/proc/self/ns/net").Output.Trim());
    }

    [Fact]
    public void What_is_thrown_inside_reaches_the_caller()
    {
        var thrown = Assert.Throws<InvalidOperationException>(
            () => _host.Namespace.Run(() => throw new InvalidOperationException("inside")));

        Assert.Equal("inside", thrown.Message);
    }

    [Fact]
    public void The_processes_inside_are_those_that_iproute2_lists()
    {
        Assert.Empty(_host.Namespace.ProcessIds());
        using RunningProcess one = _host.Start("sleep", "1000"), other = _host.Start("sleep", "1000");
        Wait.Until(() => _host.Namespace.ProcessIds().Count == 2, TimeSpan.FromSeconds(10), "both processes inside");

        string[] lines = IpNetns("pids", _host.Namespace.Name).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int[] listed = [.. lines.Select(line => int.Parse(line, CultureInfo.InvariantCulture))];

        Assert.Equal([one.ProcessId, other.ProcessId], listed.Order());
        Assert.Equal(listed.Order(), _host.Namespace.ProcessIds().Order());
    }

    [Fact]
    public void A_second_namespace_of_one_name_is_refused_and_the_first_is_left()
    {
        NetworkNamespace.Create(_name);

        var refused = Assert.Throws<LinuxException>(() => NetworkNamespace.Create(_name));

        Assert.Equal(Exists, refused.Errno);
        Assert.Equal(["lo"], NetworkNamespace.Open(_name).Run(Links));
    }

    [Fact]
    public void A_namespace_that_is_not_there_is_told_so()
    {
        Assert.Equal(NoSuchFile, Assert.Throws<LinuxException>(() => NetworkNamespace.Open(_name)).Errno);
    }

    [Fact]
    public void Deleting_twice_and_deleting_what_was_never_mounted_is_fine()
    {
        NetworkNamespace created = NetworkNamespace.Create(_name);
        created.Delete();
        created.Delete();

        File.WriteAllText(created.Path, ""); // What remains when the maker dies halfway.
        NetworkNamespace.Open(_name).Delete();

        Assert.False(File.Exists(created.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../evil")]
    [InlineData("a\0b")]
    public void Only_a_plain_file_name_is_a_name(string name)
    {
        Assert.Throws<ArgumentException>(() => NetworkNamespace.Create(name));
        Assert.Throws<ArgumentException>(() => NetworkNamespace.Open(name));
    }

    private static string NamespaceOfThread() => new FileInfo("/proc/thread-self/ns/net").LinkTarget!;

    private static string[] Links() =>
        [.. File.ReadLines("/proc/thread-self/net/dev").Skip(2).Select(line => line.Split(':')[0].Trim()).Order(StringComparer.Ordinal)];

    private static string IpNetns(params string[] arguments)
    {
        var command = new Command(["ip", "netns", .. arguments]);
        using RunningProcess process = RunningProcess.Start(command);
        CommandResult result = process.WaitForExit(command.Timeout);
        return result.Succeeded ? result.Output : throw new CommandException(command, "here", result);
    }
}
