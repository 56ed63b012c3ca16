using System.Diagnostics;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;

namespace Kedge.Tests.Linux;

/// <summary>Files of Kedge's own, and paths that a person names.</summary>
public sealed class FileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_named_output_is_a_file_of_its_owner()
    {
        OutputFile.Write(PathOf("new"), "text"u8);

        Assert.Equal("text", File.ReadAllText(PathOf("new")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("new")));
    }

    [Fact]
    public void A_device_is_written_to_and_stays()
    {
        OutputFile.Write("/dev/null", "text"u8);

        Assert.Equal(FileAttributes.Normal, File.GetAttributes("/dev/null"));
        Assert.False(OutputFile.WouldReplace("/dev/null"));
        Assert.Equal("", File.ReadAllText("/dev/null"));
    }

    [Fact]
    public void What_lies_beside_a_named_output_stays_whatever_its_name()
    {
        File.WriteAllText(PathOf("victim"), "precious");
        File.WriteAllText(PathOf("out"), "before");
        File.CreateSymbolicLink(PathOf("out.new"), "victim");

        OutputFile.Write(PathOf("out"), "text"u8);

        Assert.Equal("text", File.ReadAllText(PathOf("out")));
        Assert.Equal("precious", File.ReadAllText(PathOf("out.new")));
        Assert.Equal(3, _folder.GetFiles().Length);
    }

    [Fact]
    public void A_new_file_is_its_owners_and_replaces_none()
    {
        PrivateFile.WriteNew(PathOf("key"), "first"u8);
        File.CreateSymbolicLink(PathOf("link"), "nowhere");

        Assert.Equal(Errno.EEXIST, Assert.Throws<LinuxException>(() => PrivateFile.WriteNew(PathOf("key"), "second"u8)).Errno);
        Assert.Equal(Errno.EEXIST, Assert.Throws<LinuxException>(() => PrivateFile.WriteNew(PathOf("link"), "second"u8)).Errno);
        Assert.Equal("first", File.ReadAllText(PathOf("key")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("key")));
        Assert.Equal(2, _folder.GetFileSystemInfos().Length);
    }

    [Fact]
    public void A_copy_creates_a_file_and_replaces_none()
    {
        File.WriteAllText(PathOf("source"), "contents");

        OutputFile.CopyNew(PathOf("copy"), PathOf("source"));
        Assert.Equal("contents", File.ReadAllText(PathOf("copy")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("copy")));

        File.WriteAllText(PathOf("source"), "other contents");
        Assert.Equal(Errno.EEXIST, Assert.Throws<LinuxException>(() => OutputFile.CopyNew(PathOf("copy"), PathOf("source"))).Errno);
        Assert.Equal("contents", File.ReadAllText(PathOf("copy")));
        OutputFile.CopyNew("/dev/null", PathOf("source"));
        Assert.Throws<LinuxException>(() => OutputFile.CopyNew(PathOf("other"), PathOf("missing")));
        Assert.False(File.Exists(PathOf("other")));
    }

    [Fact]
    public void A_file_and_a_folder_are_moved_in_place_of_a_file()
    {
        File.WriteAllText(PathOf("one"), "1");
        File.WriteAllText(PathOf("two"), "2");
        Directory.CreateDirectory(PathOf("folder"));

        PrivateFile.Move(PathOf("one"), PathOf("two"));
        PrivateFile.Move(PathOf("folder"), PathOf("moved"));

        Assert.Equal("1", File.ReadAllText(PathOf("two")));
        Assert.False(File.Exists(PathOf("one")));
        Assert.True(Directory.Exists(PathOf("moved")));
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => PrivateFile.Move(PathOf("one"), PathOf("two"))).Errno);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_link_is_followed(bool targetExists)
    {
        Directory.CreateDirectory(PathOf("elsewhere"));
        if (targetExists)
            File.WriteAllText(PathOf("elsewhere/target"), "before");
        File.CreateSymbolicLink(PathOf("first"), "second");
        File.CreateSymbolicLink(PathOf("second"), "elsewhere/target");

        Assert.Equal(targetExists, OutputFile.WouldReplace(PathOf("first")));
        OutputFile.Write(PathOf("first"), "text"u8);

        Assert.Equal("text", File.ReadAllText(PathOf("elsewhere/target")));
        Assert.Equal("second", new FileInfo(PathOf("first")).LinkTarget);
        Assert.Equal("elsewhere/target", new FileInfo(PathOf("second")).LinkTarget);
    }

    [Fact]
    public void Links_in_a_circle_are_an_error()
    {
        File.CreateSymbolicLink(PathOf("one"), "other");
        File.CreateSymbolicLink(PathOf("other"), "one");

        Assert.Equal(Errno.ELOOP, Assert.Throws<LinuxException>(() => OutputFile.Write(PathOf("one"), "text"u8)).Errno);
    }

    [Fact]
    public void A_folder_is_an_error_for_a_reader_and_for_a_writer()
    {
        LinuxException written = Assert.Throws<LinuxException>(() => OutputFile.Write(_folder.FullName, "text"u8));
        LinuxException read = Assert.Throws<LinuxException>(() => PrivateFile.TryRead(_folder.FullName, out _));

        Assert.EndsWith(": Is a directory", written.Message, StringComparison.Ordinal);
        Assert.EndsWith(": Is a directory", read.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_is_written_to_and_stays()
    {
        string pipe = MakePipe();
        Task<string> reader = Task.Run(() => File.ReadAllText(pipe), TestContext.Current.CancellationToken);
        byte[] contents = Encoding.ASCII.GetBytes(new string('x', 300_000)); // more than a pipe holds

        Assert.True(SpinWait.SpinUntil(() => HasBeenWritten(pipe, contents), TimeSpan.FromSeconds(20)));

        Assert.Equal(contents.Length, (await reader).Length);
        Assert.Equal(0, Run("test", "-p", pipe));
    }

    [Fact]
    public void A_pipe_that_nobody_reads_is_an_error() =>
        Assert.Equal(Errno.ENXIO, Assert.Throws<LinuxException>(() => OutputFile.Write(MakePipe(), "text"u8)).Errno);

    [Fact]
    public async Task A_pipe_is_read_to_its_end_whichever_end_is_there_first()
    {
        string pipe = MakePipe();
        byte[] expected = new byte[300_000];
        new Random(1).NextBytes(expected);
        Task<byte[]?> reader = Task.Run(() => PrivateFile.TryRead(pipe, out byte[]? contents) ? contents : null, TestContext.Current.CancellationToken);

        await Task.Run(() => File.WriteAllBytes(pipe, expected), TestContext.Current.CancellationToken);

        Assert.Equal(expected, await reader);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    public void A_file_is_read_whole(int length)
    {
        byte[] expected = new byte[length];
        new Random(length).NextBytes(expected);
        File.WriteAllBytes(PathOf("file"), expected);

        Assert.True(PrivateFile.TryRead(PathOf("file"), out byte[]? contents));
        Assert.Equal(expected, contents);
        Assert.False(PrivateFile.TryRead(PathOf("other"), out _));
    }

    [Fact]
    public void A_file_of_the_kernel_that_claims_to_be_empty_is_read_whole()
    {
        Assert.True(PrivateFile.TryRead("/proc/self/status", out byte[]? contents));
        Assert.StartsWith("Name:", Encoding.ASCII.GetString(contents), StringComparison.Ordinal);
    }

    private static bool HasBeenWritten(string pipe, byte[] contents)
    {
        try
        {
            OutputFile.Write(pipe, contents);
            return true;
        }
        catch (LinuxException e) when (e.Errno == Errno.ENXIO)
        {
            return false; // the reader is not there yet
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }

    private string MakePipe()
    {
        Assert.Equal(0, Run("mkfifo", PathOf("pipe")));
        return PathOf("pipe");
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);
}
